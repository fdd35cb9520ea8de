"""The regression transformer against plain PyTorch modules, and its invariances."""

import pytest
import torch
from torch import Tensor, nn

from stagewise.models import regression_transformer

SIZES = {"dimension": 3, "examples": 5, "width": 8, "heads": 2, "layers": 2, "hidden": 6}


def weights() -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(0)
    found = regression_transformer.initial(**SIZES, stream=stream)
    return {
        n: (t + 0.1 * torch.randn(t.shape, generator=stream)).double() for n, t in found.items()
    }


def examples(samples: int = 4) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(1)
    x = torch.randn(samples, 5, 3, generator=stream, dtype=torch.float64)
    return x, torch.randn(samples, 5, generator=stream, dtype=torch.float64)


def norm(w: dict[str, Tensor], name: str) -> nn.LayerNorm:
    module = nn.LayerNorm(8).double()
    module.load_state_dict({"weight": w[f"{name}.scale"], "bias": w[f"{name}.shift"]})
    return module


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    module = nn.Linear(*weight.shape).double()
    module.load_state_dict({"weight": weight.T, "bias": bias})
    return module


def of_torch(w: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    """The same model of PyTorch's own modules, all its outputs (sample, token, dimension + 1)."""
    seen = torch.zeros(len(x), 10, 4, dtype=torch.float64)
    seen[:, 0::2, 1:], seen[:, 1::2, 0] = x, y
    stream = seen @ w["embed"] + w["positions"]
    causal = nn.Transformer.generate_square_subsequent_mask(10, dtype=torch.float64)
    for name in ("layer0", "layer1"):
        attention = nn.MultiheadAttention(8, 2, bias=False, batch_first=True).double()
        maps = [w[f"{name}.{part}"] for part in ("query", "key", "value")]
        joint = torch.cat([part.permute(1, 0, 2).reshape(8, 8).T for part in maps])
        out = w[f"{name}.out"].reshape(8, 8).T
        attention.load_state_dict({"in_proj_weight": joint, "out_proj.weight": out})
        normed = norm(w, f"{name}.norm")(stream)
        stream = stream + attention(normed, normed, normed, attn_mask=causal)[0]
        perceptron = nn.Sequential(
            norm(w, f"{name}.mlp.norm"),
            linear(w[f"{name}.mlp.in"], w[f"{name}.mlp.in_bias"]),
            nn.ReLU(),
            linear(w[f"{name}.mlp.out"], w[f"{name}.mlp.out_bias"]),
        )
        stream = stream + perceptron(stream)
    return linear(w["unembed"], w["unembed_bias"])(norm(w, "norm")(stream))


def test_against_the_modules_of_torch() -> None:
    w, (x, y) = weights(), examples()
    with torch.no_grad():
        whole = of_torch(w, x, y)
        torch.testing.assert_close(regression_transformer.predictions(w, x, y), whole[:, ::2, 0])


def test_gradients_against_the_modules_of_torch() -> None:
    w, (x, y) = weights(), examples()
    found = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    regression_transformer.squared_errors(found, x, y).mean().backward()
    step = 1e-6
    stream = torch.Generator().manual_seed(2)
    for name in ("embed", "positions", "layer0.key", "layer1.query", "layer1.mlp.norm.scale"):
        along = torch.randn(w[name].shape, generator=stream, dtype=torch.float64)
        with torch.no_grad():
            ends = [
                (of_torch(w | {name: w[name] + sign * step * along}, x, y)[:, ::2, 0] - y)
                .square()
                .mean()
                for sign in (1, -1)
            ]
        wanted = (ends[0] - ends[1]) / (2 * step)
        gradient = found[name].grad
        assert gradient is not None
        torch.testing.assert_close((gradient * along).sum(), wanted, rtol=1e-5, atol=1e-8)


def test_parameters_of_the_paper() -> None:
    found = regression_transformer.initial(
        dimension=4, examples=8, width=64, heads=4, layers=2, hidden=64, stream=torch.Generator()
    )
    assert sum(tensor.numel() for tensor in found.values()) == 51_717


def test_a_prediction_sees_what_is_before_it_only() -> None:
    w, (x, y) = weights(), examples()
    before = regression_transformer.predictions(w, x, y)
    y_changed, x_changed = y.clone(), x.clone()
    y_changed[:, 2] += 1
    x_changed[:, 3] += 1
    of_y = regression_transformer.predictions(w, x, y_changed) != before
    of_x = regression_transformer.predictions(w, x_changed, y) != before
    assert of_y.any(0).tolist() == [False, False, False, True, True]
    assert of_x.any(0).tolist() == [False, False, False, True, True]


def test_shorter_sequences_have_the_same_predictions() -> None:
    w, (x, y) = weights(), examples()
    whole = regression_transformer.predictions(w, x, y)
    torch.testing.assert_close(
        regression_transformer.predictions(w, x[:, :3], y[:, :3]), whole[:, :3]
    )


def test_tokens_are_laid_out_as_in_the_paper() -> None:
    x, y = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[5.0, 6.0]])
    wanted = [[0.0, 1.0, 2.0], [5.0, 0.0, 0.0], [0.0, 3.0, 4.0], [6.0, 0.0, 0.0]]
    assert regression_transformer.tokens(x, y).tolist() == [wanted]


def test_a_head_without_output_weights_makes_no_difference() -> None:
    """Its mask holds all that it computes with."""
    w, (x, y) = weights(), examples()
    dead = w | {"layer1.out": w["layer1.out"].clone()}
    dead["layer1.out"][0] = 0
    stream = torch.Generator().manual_seed(3)
    mask = regression_transformer.masks(w)["1:0"]
    other = dead | {
        name: torch.where(mask[name], torch.randn(t.shape, generator=stream).double(), dead[name])
        for name, t in dead.items()
        if name in mask and name != "layer1.out"
    }
    found = regression_transformer.predictions(dead, x, y)
    torch.testing.assert_close(regression_transformer.predictions(other, x, y), found)
    assert not torch.allclose(found, regression_transformer.predictions(w, x, y))


def test_masks_part_a_layer_into_heads_perceptron_and_norms() -> None:
    w = weights()
    masks = regression_transformer.masks(w)
    assert list(masks) == ["layer0", "0:0", "0:1", "mlp0", "layer1", "1:0", "1:1", "mlp1"]
    sizes = {name: sum(int(m.sum()) for m in mask.values()) for name, mask in masks.items()}
    assert sizes["1:0"] == sizes["1:1"] == 4 * 8 * 4
    assert sizes["mlp1"] == 8 * 6 + 6 + 6 * 8 + 8
    assert sizes["layer1"] == 2 * sizes["1:0"] + sizes["mlp1"] + 2 * 2 * 8
    assert regression_transformer.norms(w) == [
        "layer0.norm",
        "layer0.mlp.norm",
        "layer1.norm",
        "layer1.mlp.norm",
        "norm",
    ]


def test_the_scale_of_the_unembedding_is_that_of_fresh_predictions() -> None:
    x, y = examples(64)
    for scale in (1.0, 3.0):
        squares = []
        for seed in range(40):
            w = regression_transformer.initial(
                **SIZES, unembedding=scale, stream=torch.Generator().manual_seed(seed)
            )
            found = regression_transformer.predictions(w, x.float(), y.float())
            squares.append(float(found.square().mean()))
        # The squared length of 8 normals has a relative spread of 1/2; 40 of them.
        assert sum(squares) / 40 == pytest.approx(scale**2, rel=0.3)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads: 3 do not divide the width 8"):
        regression_transformer.initial(**(SIZES | {"heads": 3}), stream=torch.Generator())

"""The attention-only transformer against plain PyTorch modules, and its invariances."""

import pytest
import torch
from torch import Tensor, nn

from stagewise.engine.flat import flatten
from stagewise.engine.program import Program
from stagewise.models import attention_only

SIZES = {"vocabulary": 11, "context": 9, "width": 8, "heads": 2, "layers": 2}


def weights(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(0)
    found = attention_only.initial(**SIZES, stream=stream)
    spread = {n: t + 0.1 * torch.randn(t.shape, generator=stream) for n, t in found.items()}
    return {name: tensor.to(dtype) for name, tensor in spread.items()}


def tokens(samples: int = 3) -> Tensor:
    return torch.randint(0, 11, (samples, 9), generator=torch.Generator().manual_seed(1))


def norm(w: dict[str, Tensor], name: str) -> nn.LayerNorm:
    module = nn.LayerNorm(8).double()
    module.load_state_dict({"weight": w[f"{name}.scale"], "bias": w[f"{name}.shift"]})
    return module


def of_torch(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """The same model of PyTorch's own modules."""
    stream = w["embed"][x]
    causal = nn.Transformer.generate_square_subsequent_mask(9, dtype=torch.float64)
    for layer in (0, 1):
        seen = norm(w, f"layer{layer}.norm")(stream)
        placed = seen + w["positions"]
        module = nn.MultiheadAttention(8, 2, bias=False, batch_first=True).double()
        maps = [w[f"layer{layer}.{name}"] for name in ("query", "key", "value")]
        joint = torch.cat([part.permute(1, 0, 2).reshape(8, 8).T for part in maps])
        out = w[f"layer{layer}.out"].reshape(8, 8).T
        module.load_state_dict({"in_proj_weight": joint, "out_proj.weight": out})
        stream = stream + module(placed, placed, seen, attn_mask=causal, need_weights=False)[0]
    return norm(w, "norm")(stream) @ w["unembed"]


def test_against_the_modules_of_torch() -> None:
    w, x = weights(), tokens()
    with torch.no_grad():
        torch.testing.assert_close(attention_only.logits(w, x), of_torch(w, x))


def test_the_future_is_not_seen() -> None:
    w, x = weights(), tokens()
    changed = x.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    before, after = attention_only.logits(w, x), attention_only.logits(w, changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_without_positions_one_token_is_like_another() -> None:
    w = weights() | {"positions": torch.zeros(9, 8, dtype=torch.float64)}
    same = torch.full((1, 9), 4)
    scores = attention_only.logits(w, same)
    torch.testing.assert_close(scores, scores[:, :1].expand_as(scores))
    placed = attention_only.logits(weights(), same)
    torch.testing.assert_close(placed, placed[:, :1].expand_as(placed))  # values carry no position


def test_losses_are_cross_entropies_of_the_next_token() -> None:
    w, x = weights(), tokens()
    found = attention_only.next_token_losses(w, x)
    scores = attention_only.logits(w, x[:, :-1])
    wanted = nn.functional.cross_entropy(scores.mT, x[:, 1:], reduction="none")
    assert found.shape == (3, 8)
    torch.testing.assert_close(found, wanted)


def test_parts_of_a_forward_pass_fit_together() -> None:
    w, x = weights(), tokens()
    whole = attention_only.forward(w, x)
    torch.testing.assert_close(whole.logits, attention_only.logits(w, x))
    torch.testing.assert_close(whole.patterns[1].sum(-1), torch.ones(3, 2, 9).double())
    itself = {(0, 1): whole.mixed[0][:, 1]}
    torch.testing.assert_close(attention_only.logits(w, x, itself), whole.logits)


def test_heads_one_by_one_are_each_alone() -> None:
    w, x = weights(), tokens()
    stream = torch.Generator().manual_seed(3)
    shape = attention_only.forward(w, x).mixed[0].shape[-1:]
    instead = {
        (layer, head): torch.randn(shape, generator=stream, dtype=torch.float64)
        for layer, head in ((1, 1), (0, 1), (1, 0))
    }
    found = dict(attention_only.one_by_one(w, x, instead))
    assert set(found) == set(instead)
    for at, scores in found.items():
        assert torch.equal(scores, attention_only.logits(w, x, {at: instead[at]}))
        assert not torch.equal(scores, attention_only.logits(w, x))


@pytest.mark.filterwarnings("error")
def test_one_model_and_many_have_the_same_losses_and_derivatives() -> None:
    w = weights()
    shapes = {name: tuple(tensor.shape) for name, tensor in w.items()}
    one = flatten({name: tensor[None] for name, tensor in w.items()}, shapes)
    batch = {"tokens": tokens()}
    found = []
    for rows in (1, 2):
        program = Program(
            lambda w, _, data: attention_only.next_token_losses(w, data["tokens"]).mean(-1),
            shapes,
            {},
            rows=rows,
        )
        position = one.expand(rows, -1)
        loss, gradient = program.loss_and_gradient(position, batch)
        product = program.hessian_vector(position, gradient, batch)
        each = program.each(position, batch)
        found.append([tensor[-1] for tensor in (loss, gradient, product, each)])
    for alone, together in zip(*found, strict=True):
        torch.testing.assert_close(alone, together)
    by_hand = torch.func.grad(lambda w: attention_only.forward(w, tokens()).logits.sum())
    fused = torch.func.grad(lambda w: attention_only.logits(w, tokens()).sum())
    for name, slope in by_hand(w).items():
        torch.testing.assert_close(fused(w)[name], slope)


def test_a_head_without_output_weights_is_an_ablated_head() -> None:
    w, x = weights(), tokens()
    dead = w | {"layer1.out": w["layer1.out"].clone()}
    dead["layer1.out"][0] = 0
    zero = {(1, 0): torch.zeros(4, dtype=torch.float64)}
    ablated = attention_only.logits(w, x, zero)
    torch.testing.assert_close(attention_only.logits(dead, x), ablated)


def test_masks_of_heads_part_those_of_their_layer() -> None:
    masks = attention_only.head_masks(weights())
    assert list(masks) == ["layer0", "0:0", "0:1", "layer1", "1:0", "1:1"]
    for name, whole in masks["layer1"].items():
        assert torch.equal(masks["1:0"][name] ^ masks["1:1"][name], whole)
    assert sum(int(mask.sum()) for mask in masks["0:1"].values()) == 4 * 8 * 4


def test_parameters_are_counted_as_documented() -> None:
    sizes = {name: tuple(tensor.shape) for name, tensor in weights().items()}
    assert sizes["embed"] == (11, 8)
    assert sizes["layer1.query"] == (2, 8, 4)
    assert sizes["layer0.out"] == (2, 4, 8)
    norms = 3 * 2 * 8
    assert sum(t.numel() for t in weights().values()) == 11 * 8 * 2 + 72 + norms + 2 * 256


def test_sinusoids_have_unit_size() -> None:
    found = attention_only.initial(
        **SIZES, sinusoids=True, later_out=0.0, stream=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(found["positions"].square().mean(), torch.tensor(1.0))
    assert not found["layer1.out"].any()
    assert found["layer0.out"].any()


def test_the_last_stream_is_what_is_read() -> None:
    w, x = weights(), tokens()
    before, _, last = attention_only.streams(w, x)
    torch.testing.assert_close(before, w["embed"][x])
    normed = torch.nn.functional.layer_norm(last, (8,), w["norm.scale"], w["norm.shift"])
    torch.testing.assert_close(normed @ w["unembed"], attention_only.logits(w, x))
    dead = w | {"layer1.out": torch.zeros_like(w["layer1.out"])}
    _, middle, same = attention_only.streams(dead, x)
    torch.testing.assert_close(middle, same)


def test_several_threads_find_the_same_gradient_every_time() -> None:
    """Those of indexing add what meets in a row of the table in any order."""
    stream = torch.Generator().manual_seed(0)
    w = attention_only.initial(
        vocabulary=43, context=64, width=64, heads=4, layers=2, stream=stream
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in w.items()}
    texts = torch.randint(0, 43, (32, 65), generator=stream)
    program = Program(
        lambda v, _, batch: attention_only.next_token_losses(v, batch["tokens"]).mean(1),
        shapes,
        {},
        rows=1,
    )
    position = flatten({name: tensor[None] for name, tensor in w.items()}, shapes)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = [program.loss_and_gradient(position, {"tokens": texts})[1] for _ in range(20)]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, found[0]) for one in found)

"""Quantized models as bytes: back bit for bit, as small as they claim, and errors that say so."""

from math import log2

import pytest
import torch
from torch import Tensor

from stagewise.compression.coding import decoded, encoded, entropy_bits
from stagewise.compression.quantization import Quantization, Quantized, quantized


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def neox() -> dict[str, Tensor]:
    """Weights of the shapes of a small GPT-NeoX model, 165,632 of them, some heavy-tailed."""
    found = {"gpt_neox.embed_in.weight": normal(512, 64)}
    for layer in (0, 1):
        name = f"gpt_neox.layers.{layer}"
        shapes = {
            "attention.query_key_value": (192, 64),
            "attention.dense": (64, 64),
            "mlp.dense_h_to_4h": (256, 64),
            "mlp.dense_4h_to_h": (64, 256),
        }
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{name}.{norm}.weight"] = 1 + 0.1 * normal(64, seed=7)
            found[f"{name}.{norm}.bias"] = 0.1 * normal(64, seed=8)
        for place, (part, shape) in enumerate(shapes.items()):
            w = normal(*shape, seed=10 * layer + place)
            found[f"{name}.{part}.weight"] = w * w.abs() if layer else w
            found[f"{name}.{part}.bias"] = 0.1 * normal(shape[0], seed=9)
    found["gpt_neox.final_layer_norm.weight"] = 1 + 0.1 * normal(64, seed=5)
    found["gpt_neox.final_layer_norm.bias"] = 0.1 * normal(64, seed=6)
    found["embed_out.weight"] = normal(512, 64, seed=3)
    return found


def same(one: Quantized, other: Quantized) -> None:
    assert list(one.tensors) == list(other.tensors)
    for name, tensor in one.tensors.items():
        again = other.tensors[name]
        assert torch.equal(tensor.symbols, again.symbols)
        assert torch.equal(tensor.scale, again.scale)
        assert torch.equal(tensor.shift, again.shift)
        assert (tensor.half, tensor.dtype) == (again.half, again.dtype)
    first, second = one.weights(), other.weights()
    assert list(first) == list(second)
    for name, values in first.items():
        assert torch.equal(values, second[name])
        assert (values.dtype, values.shape) == (second[name].dtype, second[name].shape)


@pytest.mark.parametrize("amount", [3, 5, 21, 41, 101])
def test_bytes_are_within_two_per_cent_of_the_bound(amount: int) -> None:
    weights = neox()
    assert sum(tensor.numel() for tensor in weights.values()) == 165_632
    model = quantized(weights, amount, Quantization(), draw=2, draws=8, seed=1)
    data = encoded(model)
    assert abs(8 * len(data) / entropy_bits(model) - 1) < 0.02
    same(decoded(data), model)


@pytest.mark.parametrize("amount", [3, 9, 101])
@pytest.mark.parametrize("scheme", [Quantization(), Quantization(rows=True, quantile=0.9)])
def test_any_precision_and_shape(amount: int, scheme: Quantization) -> None:
    weights = {
        "odd": normal(3, 7).bfloat16(),
        "vector": normal(5).half(),
        "stack": normal(2, 3, 4, 5).double(),
        "number": torch.tensor(2.5, dtype=torch.float64),
        "zero": torch.zeros(4, 4),
        "one": torch.full((1, 1), -3.0),
        "same": torch.ones(50, 2),
    }
    for draws in (1, 4):
        model = quantized(weights, amount, scheme, draw=draws - 1, draws=draws, seed=0)
        same(decoded(encoded(model)), model)
        models = scheme.prepared(weights, draws=draws, seed=0).models([amount], [draws - 1])
        back = decoded(encoded(model)).weights()
        for name, tensor in models.items():
            assert torch.equal(tensor[0], back[name])


@pytest.mark.parametrize(
    "tensor", [torch.zeros(5, 5), torch.full((1, 1), 4.0), torch.full((9, 3), -0.5)]
)
def test_what_is_always_the_same_takes_nothing(tensor: Tensor) -> None:
    model = quantized({"w": tensor}, 3, Quantization())
    assert entropy_bits(model) == 32
    same(decoded(encoded(model)), model)
    assert torch.equal(decoded(encoded(model)).weights()["w"], tensor)


def test_bound_by_hand() -> None:
    w = torch.tensor([[1.0, 1.0, 0.0, -1.0], [1.0, 1.0, 0.0, 0.0]])
    model = quantized({"w": w, "b": torch.ones(3)}, 3, Quantization())
    coded = 4 * log2(8 / 4) + 3 * log2(8 / 3) + log2(8)
    assert entropy_bits(model) == pytest.approx(coded + 32 + 96)


def test_rare_levels_among_many() -> None:
    w = torch.zeros(300, 1000)
    w[0, :3] = torch.tensor([1.0, -1.0, 0.5])
    model = quantized({"w": w}, 2001, Quantization())
    data = encoded(model)
    same(decoded(data), model)
    assert len(data) < 200


@pytest.mark.parametrize("place", [0, 5, 9, 20, 300, -1])
def test_damage_is_told(place: int) -> None:
    data = bytearray(encoded(quantized({"w": normal(40, 40)}, 9, Quantization())))
    data[place] ^= 4
    with pytest.raises(ValueError, match="coded weights"):
        decoded(bytes(data))


def test_missing_bytes_are_told() -> None:
    data = encoded(quantized({"w": normal(40, 40), "b": normal(3)}, 9, Quantization()))
    for short in (b"", data[:3], data[:15], data[:100], data[:-1], data + b"0"):
        with pytest.raises(ValueError, match="coded weights"):
            decoded(short)

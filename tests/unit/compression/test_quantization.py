"""Uniform quantization by hand, and its invariances."""

from itertools import pairwise
from math import log2

import pytest
import torch
from torch import Tensor

from stagewise.compression.quantization import Quantization, dithers, levels, quantized


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def once(tensor: Tensor, amount: float, **settings: float) -> Tensor:
    """One tensor, without dither."""
    made = Quantization(**settings).prepared({"w": tensor}, draws=1, seed=0)
    return made.models([amount], [0])["w"][0]


def test_grid_by_hand() -> None:
    w = torch.tensor([[-2.0, -1.1, -0.9, 0.0], [0.4, 0.6, 1.4, 2.0]])
    assert once(w, 3).tolist() == [[-2, -2, 0, 0], [0, 0, 2, 2]]
    assert once(w, 5).tolist() == [[-2, -1, -1, 0], [0, 1, 1, 2]]
    # the largest of the first row is 2, of the second here 1
    w[1] /= 2
    assert once(w, 3, rows=True).tolist() == [[-2, -2, 0, 0], [0, 0, 1, 1]]


def test_quantile_clips_what_is_beyond() -> None:
    w = torch.arange(1.0, 11.0)[None] * torch.tensor([[1.0], [-1.0]])
    found = once(w, 3, quantile=0.8)
    assert found.abs().max() == 8
    assert found[0].tolist() == [0, 0, 0, 0, 8, 8, 8, 8, 8, 8]


def test_a_shifted_grid_by_hand() -> None:
    made = Quantization().prepared({"w": normal(5, 7)}, draws=4, seed=3)
    k, w = 3, normal(5, 7)
    s, u = w.abs().max(), dithers("w", w, draws=4, seed=3)
    found = made.models([7.0] * 4, range(4))["w"]
    assert len(found.unique()) > 2 * k + 1
    for draw in range(4):
        expected = s * ((k * w / s + u[draw]).round() - u[draw]).clip(-k, k) / k
        torch.testing.assert_close(found[draw], expected)
        assert len(found[draw].unique()) <= 2 * k + 1


def test_few_levels_even_beyond_a_quantile() -> None:
    made = Quantization(quantile=0.7).prepared({"w": normal(40, 40)}, draws=8, seed=0)
    for tensor in made.models([5.0] * 8, range(8))["w"]:
        assert len(tensor.unique()) == 5


def test_dither_is_stratified_and_independent() -> None:
    u = dithers("w", normal(3, 2, 2), draws=8, seed=0)
    assert u.shape == (8, 3, 1, 1)
    parts = ((u[..., 0, 0] + 0.5) * 8).floor().sort(0).values
    assert torch.equal(parts, torch.arange(8.0, dtype=torch.float64)[:, None].expand(8, 3))
    assert not torch.equal(u[:, 0], u[:, 1])
    assert not torch.equal(u, dithers("v", normal(3, 2, 2), draws=8, seed=0))
    assert torch.equal(dithers("w", normal(2, 2), draws=1, seed=0), torch.zeros(1, 1, 1))


def test_dither_is_unbiased_within_the_range() -> None:
    w = normal(20, 20)
    inner = w.abs() < 0.8 * w.abs().max()  # half a step from the end at k = 3
    made = Quantization().prepared({"w": w}, draws=256, seed=0)
    found = made.models([7.0] * 256, range(256))["w"]
    step = float(w.abs().max()) / 3
    assert (found[0] - w)[inner].abs().max() > 0.3 * step
    # in each of 256 parts one shift: the mean is right to a part or two
    assert (found.mean(0) - w)[inner].abs().max() < 2 * step / 256


def test_scaling_scales() -> None:
    w = normal(6, 5)
    torch.testing.assert_close(once(3 * w, 9), 3 * once(w, 9))
    assert torch.equal(once(4 * w, 9), 4 * once(w, 9))
    rows = torch.tensor([[1.0], [2.0], [4.0], [8.0], [0.5], [0.25]])
    assert torch.equal(once(rows * w, 9, rows=True), rows * once(w, 9, rows=True))


def test_rows_may_stand_in_any_order() -> None:
    w, order = normal(6, 5), torch.tensor([3, 1, 0, 5, 4, 2])
    assert torch.equal(once(w[order], 5, rows=True), once(w, 5, rows=True)[order])
    assert torch.equal(once(w[order], 5), once(w, 5)[order])


def test_matrices_of_a_stack_are_apart() -> None:
    stack = torch.stack([normal(4, 5), 10 * normal(4, 5, seed=1)])
    for place in (0, 1):
        assert torch.equal(once(stack, 7)[place], once(stack[place], 7))


def test_vectors_are_left_alone_and_bits_counted() -> None:
    weights = {"w": normal(3, 4), "gain": normal(4), "v": normal(2, 3, 5), "temperature": normal()}
    made = Quantization().prepared(weights, draws=2, seed=0)
    found = made.models([3.0, 5.0, 5.0], [0, 0, 1])
    assert torch.equal(found["gain"], weights["gain"].expand(3, 4))
    assert found["w"].shape == (3, 3, 4)
    assert made.bits(5.0) == pytest.approx(42 * log2(5) + 32 * (1 + 2) + 32 * (4 + 1))
    rows = Quantization(rows=True).prepared(weights, draws=1, seed=0)
    assert rows.bits(3.0) == pytest.approx(42 * log2(3) + 32 * (3 + 6) + 32 * 5)


def test_a_model_does_not_depend_on_its_company() -> None:
    weights = {"w": normal(9, 7).float(), "b": normal(7).float()}
    made = Quantization(quantile=0.99).prepared(weights, draws=4, seed=5)
    together = made.models([9.0, 9.0, 5.0], [0, 3, 2])
    for row, (amount, draw) in enumerate([(9.0, 0), (9.0, 3), (5.0, 2)]):
        alone = made.models([amount], [draw])
        as_numbers = quantized(
            weights, amount, Quantization(quantile=0.99), draw=draw, draws=4, seed=5
        ).weights()
        for name in weights:
            assert torch.equal(together[name][row], alone[name][0])
            assert torch.equal(together[name][row], as_numbers[name])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_degenerate_tensors(dtype: torch.dtype) -> None:
    weights = {"zero": torch.zeros(3, 3), "one": torch.full((1, 1), -2.0), "same": torch.ones(2, 2)}
    weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
    found = Quantization().prepared(weights, draws=1, seed=0).models([3.0], [0])
    for name, tensor in weights.items():
        assert torch.equal(found[name][0], tensor)
        assert found[name].dtype == dtype


def test_grids_of_levels() -> None:
    assert levels(7, 3) == [7, 5, 3]
    grid = levels(401, 24)
    assert (len(grid), grid[0], grid[-1]) == (24, 401, 3)
    assert all(a - b >= 2 and a % 2 == 1 for a, b in pairwise(grid))
    with pytest.raises(ValueError, match="count"):
        levels(7, 4)


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="4 levels"):
        once(normal(2, 2), 4)
    with pytest.raises(ValueError, match="1 levels"):
        once(normal(2, 2), 1)
    with pytest.raises(ValueError, match="no tensor of two"):
        once(normal(2), 3)
    with pytest.raises(ValueError, match="w is not finite"):
        once(normal(2, 2) / 0, 3)
    with pytest.raises(ValueError, match="quantile"):
        Quantization(quantile=0)

"""Factorization, pruning and noise: known answers, invariances and description lengths."""

from math import log2

import pytest
import torch
from torch import Tensor

from stagewise.compression.factorization import Factorization
from stagewise.compression.noise import Noise
from stagewise.compression.pruning import Pruning
from stagewise.compression.scheme import Scheme


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_rank_and_error_of_factors() -> None:
    w = normal(8, 6)
    values = torch.linalg.svdvals(w)
    found = (
        Factorization().prepared({"w": w}, draws=1, seed=0).models([1.0, 0.5, 0.4, 0.01], [0] * 4)
    )
    torch.testing.assert_close(found["w"][0], w)
    for tensor, rank in zip(found["w"], (6, 3, 3, 1), strict=True):
        assert torch.linalg.matrix_rank(tensor) == rank
        # Eckart and Young: what is lost are the other singular values, and no less can be
        lost = (tensor - w).square().sum()
        torch.testing.assert_close(lost, values[rank:].square().sum(), atol=1e-12, rtol=1e-9)


def test_no_other_matrix_of_the_rank_is_nearer() -> None:
    w = normal(8, 6)
    best = Factorization().prepared({"w": w}, draws=1, seed=0).models([0.3], [0])["w"][0]
    left, right = normal(8, 2, seed=1), normal(2, 6, seed=2)
    for _ in range(2000):  # alternating least squares from elsewhere
        right = torch.linalg.lstsq(left, w).solution
        left = torch.linalg.lstsq(right.T, w.T).solution.T
        assert (left @ right - w).norm() >= (best - w).norm() - 1e-12
    torch.testing.assert_close(left @ right, best, atol=1e-4, rtol=0)


def test_rotations_commute_with_factorization() -> None:
    w = normal(6, 6)
    turn = torch.linalg.qr(normal(6, 6, seed=1)).Q

    def half(tensor: Tensor) -> Tensor:
        return Factorization().prepared({"w": tensor}, draws=1, seed=0).models([0.5], [0])["w"][0]

    torch.testing.assert_close(half(turn @ w), turn @ half(w))


def test_bits_of_factors() -> None:
    weights = {"w": normal(8, 6), "heads": normal(3, 10, 4), "b": normal(5)}
    made = Factorization().prepared(weights, draws=1, seed=0)
    assert made.bits(0.5) == 32 * (3 * 14 + 3 * 2 * 14 + 5)
    assert made.bits(1.0) == 32 * (48 + 120 + 5)  # factors would have more entries


@pytest.mark.parametrize("share", [1.0, 0.55, 0.07, 1e-9])
def test_share_that_is_kept(share: float) -> None:
    w = normal(10, 10)
    found = Pruning().prepared({"w": w}, draws=1, seed=0).models([share], [0])["w"][0]
    some = found != 0
    assert some.sum() == max(1, round(100 * share))
    assert torch.equal(found[some], w[some])
    if share < 1:
        assert w[some].abs().min() > w[~some].abs().max()


def test_equal_magnitudes_and_stacks() -> None:
    w = torch.tensor([[1.0, -1.0, 1.0], [0.0, 2.0, 1.0]])
    found = Pruning().prepared({"w": w, "s": torch.stack([w, 9 * w])}, draws=1, seed=0)
    pruned = found.models([0.5, 0.2], [0, 0])
    assert pruned["w"].tolist() == [[[1, -1, 0], [0, 2, 0]], [[1, 0, 0], [0, 2, 0]]]
    assert torch.equal(pruned["s"][0], torch.stack([pruned["w"][0], 9 * pruned["w"][0]]))


def test_bits_of_pruning() -> None:
    made = Pruning().prepared({"w": normal(4, 4), "b": normal(3)}, draws=1, seed=0)
    assert made.bits(1.0) == 32 * 19
    assert made.bits(0.5) == 32 * (8 + 3) + 16
    share = 4 / 16
    entropy = -share * log2(share) - (1 - share) * log2(1 - share)
    assert made.bits(0.25) == pytest.approx(32 * (4 + 3) + 16 * entropy)


def test_size_of_noise() -> None:
    weights = {"w": 3 * normal(100, 100), "v": 0.1 * normal(2, 60, 80), "b": normal(7)}
    relative = Noise().prepared(weights, draws=2, seed=0).models([4.0, 4.0], [0, 1])
    absolute = Noise(absolute=True).prepared(weights, draws=2, seed=0).models([4.0, 2.0], [0, 0])
    for name in ("w", "v"):
        tensor = weights[name]
        rms = tensor.square().mean().sqrt()
        added = relative[name] - tensor
        # standard errors of a standard deviation of 1e4 numbers: 0.7 %
        torch.testing.assert_close(added.std() * 4, rms, rtol=0.03, atol=0)
        torch.testing.assert_close(
            (absolute[name][0] - tensor).std() * 4, rms / rms, rtol=0.03, atol=0
        )
        torch.testing.assert_close(absolute[name][1] - tensor, 2 * (absolute[name][0] - tensor))
        together = torch.stack([added[0].flatten(), added[1].flatten()])
        assert torch.corrcoef(together)[0, 1].abs() < 0.05
    assert torch.equal(relative["b"], weights["b"].expand(2, 7))


def test_relative_noise_scales_with_the_matrix() -> None:
    w = normal(5, 5)

    def noisy(tensor: Tensor) -> Tensor:
        return Noise().prepared({"w": tensor}, draws=1, seed=0).models([3.0], [0])["w"][0]

    torch.testing.assert_close(noisy(7 * w), 7 * noisy(w))


def test_bits_of_noise() -> None:
    w = torch.full((4, 5), 2.0)
    weights = {"w": w, "b": torch.ones(3)}
    assert Noise().prepared(weights, draws=1, seed=0).bits(1.0) == 20 / 2 + 32 + 96
    wanted = 20 * log2(1 + 4 * 9) / 2 + 96
    found = Noise(absolute=True).prepared(weights, draws=1, seed=0).bits(3.0)
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("scheme", [Factorization(), Pruning(), Noise(), Noise(absolute=True)])
def test_every_scheme_keeps_to_the_interface(scheme: Scheme) -> None:
    weights = {"w": normal(5, 4).bfloat16(), "zero": torch.zeros(3, 4, 2), "b": normal(4).float()}
    made = scheme.prepared(weights, draws=1, seed=0)
    amounts = [1.0, 0.5, 0.25]
    together = made.models(amounts, [0, 0, 0])
    assert list(together) == list(weights)
    for name, tensor in weights.items():
        assert together[name].shape == (3, *tensor.shape)
        assert together[name].dtype == tensor.dtype
        assert together[name].isfinite().all()
        for row, amount in enumerate(amounts):
            alone = made.models([amount], [0])[name][0]
            torch.testing.assert_close(together[name][row], alone)
    bits = [made.bits(amount) for amount in amounts]
    assert bits[0] > bits[1] > bits[2]


def test_what_cannot_be_is_named() -> None:
    weights = {"w": normal(3, 3)}
    for scheme in (Factorization(), Pruning()):
        with pytest.raises(ValueError, match="5 draws"):
            scheme.prepared(weights, draws=5, seed=0)
        with pytest.raises(ValueError, match=r"1\.5 is no share"):
            scheme.prepared(weights, draws=1, seed=0).models([1.5], [0])
    with pytest.raises(ValueError, match="signal over noise"):
        Noise().prepared(weights, draws=1, seed=0).models([0.0], [0])

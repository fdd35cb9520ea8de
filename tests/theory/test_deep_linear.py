"""Ranks of the product map's Jacobian against the Jacobian written out."""

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest

from stagewise.theory.aoyagi import deep_linear
from stagewise.theory.deep_linear import generic_coefficient, jacobian_rank


def product(factors: Sequence[np.ndarray], inputs: int) -> np.ndarray:
    return reduce(lambda below, w: w @ below, factors, np.eye(inputs))


def explicit_rank(factors: Sequence[np.ndarray]) -> int:
    """Rank of the Jacobian assembled column by column."""
    columns = []
    for l, factor in enumerate(factors):  # noqa: E741
        for row in range(factor.shape[0]):
            for column in range(factor.shape[1]):
                unit = np.zeros_like(factor)
                unit[row, column] = 1
                moved = [*factors[:l], unit, *factors[l + 1 :]]
                columns.append(product(moved, factors[0].shape[1]).ravel())
    return int(np.linalg.matrix_rank(np.array(columns).T, tol=1e-8))


def random_factors(
    rng: np.random.Generator, widths: Sequence[int], ranks: Sequence[int]
) -> list[np.ndarray]:
    """Factors with singular values of order one and the given ranks, in random directions."""
    factors = []
    for (inputs, outputs), rank in zip(pairwise(widths), ranks, strict=True):
        left = np.linalg.qr(rng.normal(size=(outputs, outputs)))[0][:, :rank]
        right = np.linalg.qr(rng.normal(size=(inputs, inputs)))[0][:rank]
        factors.append((left * rng.uniform(0.7, 1.4, rank)) @ right)
    return factors


def balanced(rng: np.random.Generator, widths: Sequence[int], rank: int) -> list[np.ndarray]:
    """Factors of exactly the rank of their product: a diagonal, in random bases."""
    bases = [np.linalg.qr(rng.normal(size=(h, h)))[0] for h in widths]
    return [b[:, :rank] @ a[:, :rank].T for a, b in pairwise(bases)]


def one_low_factor(widths: Sequence[int], rank: int, which: int) -> list[int]:
    return [rank if l == which else min(pair) for l, pair in enumerate(pairwise(widths))]  # noqa: E741


def test_rank_agrees_with_the_explicit_jacobian_at_random_ranks() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(150):
        widths = [int(h) for h in rng.integers(1, 6, size=rng.integers(2, 6))]
        ranks = [int(rng.integers(0, min(pair) + 1)) for pair in pairwise(widths)]
        factors = random_factors(rng, widths, ranks)
        assert jacobian_rank(factors) == explicit_rank(factors)
        seen.add(jacobian_rank(factors))
    assert len(seen) > 10


def test_rank_does_not_depend_on_the_scale_of_a_factor() -> None:
    rng = np.random.default_rng(1)
    factors = random_factors(rng, (5, 4, 6, 3), (2, 4, 3))
    scaled = [1e-6 * factors[0], 1e6 * factors[1], factors[2]]
    assert jacobian_rank(scaled) == jacobian_rank(factors) == explicit_rank(factors)


@pytest.mark.parametrize(
    ("widths", "rank", "deficient", "value"),
    [
        ((6, 4, 6), 1, 0, 13),
        ((6, 4, 6), 1, 1, 13),
        ((8, 6, 5, 7), 3, 1, 21),
        ((6, 6, 6, 6), 0, 0, 18),
        ((10, 8, 8, 8, 10), 4, 1, 40),
        ((10, 8, 8, 8, 10), 4, 2, 40),
        ((2, 2, 2), 1, 0, 2),
        # an outer factor of low rank leaves more directions: the value depends on which it is
        ((8, 6, 5, 7), 3, 0, 23),
        ((10, 8, 8, 8, 10), 4, 0, 44),
    ],
)
def test_reference_values_where_one_factor_is_rank_deficient(
    widths: tuple[int, ...], rank: int, deficient: int, value: int
) -> None:
    rng = np.random.default_rng(2)
    factors = random_factors(rng, widths, one_low_factor(widths, rank, deficient))
    assert explicit_rank(factors) == 2 * value
    assert generic_coefficient(factors) == value
    assert value >= deep_linear(widths, rank).value


def test_half_rank_brackets_aoyagi() -> None:
    rng = np.random.default_rng(3)
    strict = 0
    for _ in range(60):
        widths = [int(h) for h in rng.integers(2, 8, size=rng.integers(3, 6))]
        rank = int(rng.integers(0, min(widths) + 1))
        exact = deep_linear(widths, rank).value
        point = balanced(rng, widths, rank)
        assert np.linalg.matrix_rank(product(point, widths[0]), tol=1e-8) == rank
        # lower bound where Aoyagi's value is attained, and the value itself at full rank
        assert generic_coefficient(point) == Fraction(rank * (widths[0] + widths[-1] - rank), 2)
        assert generic_coefficient(point) <= exact
        which = int(rng.integers(len(widths) - 1))
        generic = random_factors(rng, widths, one_low_factor(widths, rank, which))
        if np.linalg.matrix_rank(product(generic, widths[0]), tol=1e-8) == rank:
            assert generic_coefficient(generic) >= exact
            strict += generic_coefficient(generic) > exact
    assert strict > 10


def test_zero_factor_is_allowed() -> None:
    factors = [np.zeros((4, 3)), np.ones((2, 4))]
    assert jacobian_rank(factors) == explicit_rank(factors) == 3


def test_mismatched_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="factor 1 has 4 outputs, factor 2 takes 5"):
        jacobian_rank([np.ones((4, 3)), np.ones((2, 5))])

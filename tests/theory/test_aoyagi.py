"""Aoyagi's coefficient against published values and the two-layer closed form."""

from fractions import Fraction
from itertools import pairwise, product
from math import ceil

import numpy as np
import pytest

from stagewise.theory.aoyagi import LearningCoefficient, deep_linear, reduced_rank


@pytest.mark.parametrize(
    ("widths", "rank", "value", "multiplicity"),
    [
        ((2, 2, 2), 0, Fraction(3, 2), 1),
        ((2, 2, 2), 1, Fraction(2), 2),
        ((4, 4, 4), 0, Fraction(6), 1),
        ((4, 4, 4), 2, Fraction(15, 2), 1),
        ((5, 4, 3, 4), 2, Fraction(8), 2),
        ((6, 6, 6, 6), 1, Fraction(14), 3),
        ((6, 6, 6, 6), 0, Fraction(12), 1),
        ((8, 6, 5, 7), 3, Fraction(21), 2),
        ((6, 4, 6), 1, Fraction(12), 2),
        ((10, 8, 8, 8, 10), 4, Fraction(38), 1),
    ],
)
def test_reference_values(
    widths: tuple[int, ...], rank: int, value: Fraction, multiplicity: int
) -> None:
    assert deep_linear(widths, rank) == LearningCoefficient(value, multiplicity)


def test_two_layers_agree_with_their_own_closed_form_everywhere() -> None:
    cases = 0
    for inputs, hidden, outputs in product(range(1, 8), range(1, 9), range(1, 8)):
        for rank in range(min(inputs, hidden, outputs) + 1):
            expected = reduced_rank(inputs, hidden, outputs, rank)
            assert deep_linear((inputs, hidden, outputs), rank) == expected
            cases += 1
    assert cases == sum(
        min(m, h, n) + 1 for m, h, n in product(range(1, 8), range(1, 9), range(1, 8))
    )


def test_one_matrix_is_a_regular_model() -> None:
    for inputs, outputs in product(range(1, 6), repeat=2):
        for rank in range(min(inputs, outputs) + 1):
            regular = LearningCoefficient(Fraction(inputs * outputs, 2), 1)
            assert deep_linear((inputs, outputs), rank) == regular


def admissible_values(widths: list[int], rank: int) -> set[tuple[Fraction, int]]:
    """Coefficient and multiplicity of every subset size passing the published conditions."""
    excess = sorted(width - rank for width in widths)
    found = set()
    for l in range(1, len(excess)):  # noqa: E741
        inside, outside = excess[: l + 1], excess[l + 1 :]
        total = sum(inside)
        if total < l * max(inside) or (outside and total > l * min(outside)):
            continue
        a = total - (ceil(Fraction(total, l)) - 1) * l
        pairs = sum(inside[i] * inside[j] for i in range(l + 1) for j in range(i))
        value = (
            Fraction(-(rank**2) + rank * (widths[0] + widths[-1]), 2)
            + Fraction(a * (l - a), 4 * l)
            - Fraction(l * (l - 1), 4) * Fraction(total, l) ** 2
            + Fraction(pairs, 2)
        )
        found.add((value, a * (l - a) + 1))
    return found


def test_random_deep_networks_have_one_value_below_half_the_dimension() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        # narrow range of widths, so that ties are common
        widths = [int(h) for h in rng.integers(1, 9, size=rng.integers(2, 9))]
        rank = int(rng.integers(0, min(widths) + 1))
        got = deep_linear(widths, rank)
        assert admissible_values(widths, rank) == {(got.value, got.multiplicity)}
        dimension = sum(a * b for a, b in pairwise(widths))
        # the product is a smooth function of a rank r (H_1 + H_{L+1} - r) manifold at least
        smooth = Fraction(rank * (widths[0] + widths[-1] - rank), 2)
        assert smooth <= got.value <= Fraction(dimension, 2)
        assert got.value <= Fraction(widths[0] * widths[-1], 2)


def test_full_rank_product_is_regular_on_its_manifold() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        widths = [int(h) for h in rng.integers(1, 9, size=rng.integers(2, 7))]
        rank = min(widths)
        manifold = Fraction(rank * (widths[0] + widths[-1] - rank), 2)
        assert deep_linear(widths, rank) == LearningCoefficient(manifold, 1)


def test_order_of_the_hidden_widths_and_transposition_do_not_matter() -> None:
    assert deep_linear((8, 6, 5, 7), 3) == deep_linear((8, 5, 6, 7), 3)
    assert deep_linear((8, 6, 5, 7), 3) == deep_linear((7, 5, 6, 8), 3)


@pytest.mark.parametrize(
    ("widths", "rank", "message"),
    [
        ((4, 3, 5), 4, "exceeds the smallest width"),
        ((4, 3, 5), -1, "must not be negative"),
        ((4,), 0, "at least 2 widths"),
        ((4, 0, 4), 0, "must be positive"),
    ],
)
def test_bad_input_is_refused(widths: tuple[int, ...], rank: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deep_linear(widths, rank)
    if len(widths) == 3:
        with pytest.raises(ValueError, match=message):
            reduced_rank(*widths, rank)

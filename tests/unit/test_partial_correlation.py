"""Partial correlations with known answers."""

import math

import numpy as np
import pytest

from stagewise.estimators.partial_correlation import partial_correlation

RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=4000)
X, Y = Z + RANDOM.normal(size=4000), Z + RANDOM.normal(size=4000)


@pytest.mark.parametrize("ranks", [False, True])
def test_a_common_cause_is_taken_away(ranks: bool) -> None:
    assert np.corrcoef(X, Y)[0, 1] > 0.45
    assert abs(partial_correlation(X, Y, Z, ranks=ranks)) < 0.06
    assert partial_correlation(X, X + Y, Z, ranks=ranks) > 0.6


def test_it_is_the_formula_of_three_correlations() -> None:
    c = np.corrcoef([X, Y, Z])
    by_hand = (c[0, 1] - c[0, 2] * c[1, 2]) / math.sqrt((1 - c[0, 2] ** 2) * (1 - c[1, 2] ** 2))
    assert partial_correlation(X, Y, Z) == pytest.approx(by_hand, abs=1e-12)


def test_it_does_not_change_with_scales_and_order() -> None:
    assert partial_correlation(3 * X + 1, -Y, Z) == pytest.approx(-partial_correlation(Y, X, Z))
    one = partial_correlation(X, Y, np.stack([Z, Z**2], axis=1))
    assert one == pytest.approx(partial_correlation(X, Y, np.stack([Z**2, 2 * Z], axis=1)))


def test_what_rises_at_every_step_has_none_by_ranks() -> None:
    step = np.arange(12.0)
    assert math.isnan(partial_correlation(step**2, np.exp(step / 9), step, ranks=True))
    assert math.isnan(partial_correlation([1.0, 2.0, 4.0], [1.0, 3.0, 2.0], [1.0, 2.0, 3.0]))

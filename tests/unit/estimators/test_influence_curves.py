"""Flips and peaks of curves."""

import math

import numpy as np

from stagewise.estimators.influence_curves import flip, likeness, positive_peak

TIMES = np.arange(6.0)


def test_flip_is_the_last_turn_before_the_peak() -> None:
    curve = [0.1, -1.0, -0.5, 0.5, 2.0, -1.0]
    assert flip(TIMES, curve) == 2.5
    assert positive_peak(TIMES, curve) == 4.0


def test_no_turn_is_not_a_number() -> None:
    assert math.isnan(flip(TIMES, [1, 2, 3, 2, 1, 0]))
    assert math.isnan(flip(TIMES, [-1, -2, -3, -2, -1, -1]))
    assert math.isnan(positive_peak(TIMES, -np.ones(6)))


def test_likeness_ignores_scale() -> None:
    curve = np.sin(TIMES)
    assert np.isclose(likeness(curve, 3 * curve + 1), 1)

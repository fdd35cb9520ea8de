"""Levels passed for good."""

import numpy as np
import pytest

from stagewise.estimators.crossings import last_crossing, part_way


def test_interpolated_in_log_steps() -> None:
    steps = np.expm1([0.0, 1.0, 2.0, 3.0])
    assert last_crossing(steps, [0, 0, 1, 1], 0.25) == pytest.approx(np.expm1(1.25))
    assert part_way(steps, [5, 5, 3, 1]) == pytest.approx(np.expm1(2.0))  # a fall
    assert part_way(steps, [0, 1, 2, 4], 0.75) == pytest.approx(np.expm1(2.5))


def test_only_the_last_passage_counts() -> None:
    steps = np.arange(5)
    assert last_crossing(steps, [0, 9, 0, 9, 9], 1) > 2
    assert last_crossing(steps, [2, 3, 4, 5, 6], 1) == 0
    assert np.isnan(last_crossing(steps, [2, 3, 4, 5, 0], 1))
    assert np.isnan(part_way(steps, [1, 5, 5, 5, 1]))

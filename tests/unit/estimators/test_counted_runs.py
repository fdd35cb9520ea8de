"""Counting spaces: known runs, planted and absent counts, where a functional lies."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from stagewise.estimators.counted_runs import direction, foretold, run_lengths, share_within

RANDOM = np.random.default_rng(0)
SEQUENCES = np.repeat(np.arange(30), 12)
LENGTHS = RANDOM.integers(0, 8, 360)
AXES = np.linalg.qr(RANDOM.standard_normal((8, 8)))[0]
SCORES = RANDOM.standard_normal((360, 8)) * [20, 10, 8, 3, 2, 2, 1, 1]


def test_runs_are_counted_before_a_token() -> None:
    spacing = np.array([[0, 1, 1, 0, 0, 1], [1, 1, 1, 1, 0, 1]], dtype=bool)
    assert run_lengths(spacing).tolist() == [[0, 0, 1, 2, 0, 0], [0, 1, 2, 3, 4, 0]]


def test_a_planted_count_is_foretold_and_one_of_other_tokens_is_not() -> None:
    scores = SCORES.copy()
    scores[:, 5] += LENGTHS
    assert spearmanr(foretold(scores @ AXES, LENGTHS, SEQUENCES), LENGTHS).statistic > 0.6
    absent = spearmanr(foretold(SCORES @ AXES, LENGTHS, SEQUENCES), LENGTHS).statistic
    assert abs(absent) < 0.2


def test_sequences_that_differ_in_level_do_not_leak() -> None:
    """Features that say which sequence a token is of, which says its length: no use elsewhere."""
    lengths = RANDOM.integers(0, 8, 30)[SEQUENCES]
    features = RANDOM.standard_normal((30, 8))[SEQUENCES] + 1e-3 * SCORES
    assert spearmanr(foretold(features, lengths, SEQUENCES), lengths).statistic < 0.5


@pytest.mark.parametrize(("axis", "expected"), [(1, 1.0), (5, 0.0)])
def test_a_functional_lies_along_its_axis(axis: int, expected: float) -> None:
    centred = SCORES - SCORES.mean(0)
    apart = np.linalg.qr(centred)[0] * [20, 10, 8, 3, 2, 2, 1, 1]  # exact principal axes
    assert share_within(apart @ AXES, AXES[axis], (0, 1, 2)) == pytest.approx(expected, abs=1e-9)
    assert share_within(apart @ AXES, AXES[axis], range(8)) == pytest.approx(1)


def test_direction_finds_the_axis() -> None:
    features = RANDOM.standard_normal((360, 8))
    target = features @ AXES[2] + 0.1 * RANDOM.standard_normal(360)
    found = direction(features * 7, target)
    assert abs(found @ AXES[2]) / np.linalg.norm(found) > 0.99

"""Response matrices: known axes, known reliability."""

import numpy as np
import pytest

from stagewise.estimators.response_matrix import (
    factor_to_reach,
    principal_components,
    reliability,
    row_centred,
    standardised,
    without,
)

RANDOM = np.random.default_rng(0)


def test_reliability_is_the_share_of_signal() -> None:
    signal = RANDOM.normal(size=(20000, 3))
    halves = [signal * [1, 2, 0] + RANDOM.normal(size=signal.shape) for _ in range(2)]
    np.testing.assert_allclose(reliability(*halves), [0.5, 0.8, 0], atol=0.03)
    assert reliability(np.ones((4, 1)), np.ones((4, 1))) == [0]


def test_draws_to_reach_a_reliability() -> None:
    assert factor_to_reach(0.5, 0.8) == pytest.approx(4)
    assert factor_to_reach(0.2, 0.5) == pytest.approx(4)
    assert factor_to_reach(-0.1, 0.5) == np.inf


def test_planted_axes_are_found_with_their_signs() -> None:
    axes = np.linalg.qr(RANDOM.normal(size=(5, 5)))[0][:, :2]
    scores = RANDOM.normal(size=(500, 2)) * [3, 1]
    found = principal_components(scores @ axes.T + 7)
    assert found.shares[2:].max() < 1e-20
    assert (np.abs(found.loadings[:, :2].T @ axes).max(1) > 0.99).all()
    assert (found.loadings[np.abs(found.loadings).argmax(0), range(5)] > 0).all()
    rebuilt = found.scores @ found.loadings.T
    np.testing.assert_allclose(rebuilt, scores @ axes.T - (scores @ axes.T).mean(0), atol=1e-12)


def test_common_modes_are_taken_away() -> None:
    matrix = RANDOM.normal(size=(100, 4)) + RANDOM.normal(size=(100, 1))
    np.testing.assert_allclose(row_centred(matrix).mean(1), 0, atol=1e-14)
    mode = RANDOM.normal(size=100)
    left = without(matrix + np.outer(mode, [5, 1, -2, 3]), mode)
    np.testing.assert_allclose(left.T @ (mode - mode.mean()), 0, atol=1e-11)
    np.testing.assert_allclose(left, without(matrix, mode), atol=1e-12)


def test_standardised_columns() -> None:
    matrix = RANDOM.normal(size=(50, 3)) * [1, 10, 0] + [0, 5, 2]
    found = standardised(matrix)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-14)
    np.testing.assert_allclose(found.std(0), [1, 1, 0])

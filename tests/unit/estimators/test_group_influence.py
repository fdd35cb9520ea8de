"""Influence of classes: the mean over a token by token matrix, never made."""

import numpy as np
import pytest

from stagewise.estimators.group_influence import (
    group_blocks,
    group_correlation,
    group_covariance,
)
from stagewise.estimators.influence import correlation, covariance

CHAINS, DRAWS, SHAPE = 3, 24, (4, 5)


def losses(seed: int = 0) -> np.ndarray:
    """Tokens that move together, by different amounts."""
    random = np.random.default_rng(seed)
    own = random.standard_normal((CHAINS, DRAWS, *SHAPE))
    together = random.standard_normal((CHAINS, DRAWS, 1, 1)) * random.random(SHAPE)
    return 3 + own + together


def classes() -> np.ndarray:
    """Three classes: the last two overlap, and some tokens are in none."""
    random = np.random.default_rng(1)
    chosen = random.random((3, *SHAPE)) < 0.5
    chosen[:, 0, 0] = False
    chosen[0] &= ~(chosen[1] | chosen[2])
    assert (chosen[1] & chosen[2]).any()
    return chosen


def brute_force(matrix: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Means over pairs of different tokens of a token by token matrix."""
    members = chosen.reshape(len(chosen), -1)
    found = np.empty((len(members), len(members)))
    for a, first in enumerate(members):
        for b, second in enumerate(members):
            pairs = [
                matrix[s, t]
                for s in np.flatnonzero(first)
                for t in np.flatnonzero(second)
                if s != t
            ]
            found[a, b] = np.mean(pairs)
    return found


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("blocks", [1, 4])
def test_means_over_pairs_are_those_of_the_whole_matrix(pooled: bool, blocks: int) -> None:
    found, chosen = losses(), classes()
    flat = found.reshape(CHAINS, DRAWS, -1)
    for group, whole in ((group_covariance, covariance), (group_correlation, correlation)):
        matrix = whole(flat, blocks=blocks, pooled=pooled).value
        estimate = group(found, chosen, blocks=blocks, pooled=pooled)
        assert np.allclose(estimate.value, brute_force(matrix, chosen))
        assert np.allclose(estimate.value, estimate.value.T)


def test_errors_are_those_of_a_mean_over_chains() -> None:
    found, chosen = losses(), classes()
    each = [brute_force(np.cov(chain.reshape(DRAWS, -1).T), chosen) for chain in found]
    error = np.std(each, axis=0, ddof=1) / CHAINS**0.5
    assert np.allclose(group_covariance(found, chosen).error, error)
    assert np.isnan(group_covariance(found[:1], chosen).error).all()


def test_correlation_is_invariant_under_affine_losses() -> None:
    random = np.random.default_rng(2)
    moved = losses() * random.uniform(0.5, 2, SHAPE) + random.standard_normal(SHAPE)
    first, second = (group_correlation(found, classes()) for found in (losses(), moved))
    assert np.allclose(first.value, second.value)
    assert np.allclose(first.error, second.error)


def test_a_token_does_not_pair_with_itself() -> None:
    """Independent tokens: no covariance, whatever their variances."""
    random = np.random.default_rng(3)
    found = 5 * random.standard_normal((8, 500, 6, 6))
    estimate = group_covariance(found, np.ones((1, 6, 6), dtype=bool))
    assert abs(float(estimate.value[0, 0])) < 4 * float(estimate.error[0, 0])
    assert float(estimate.error[0, 0]) < 0.25  # of a variance of 25


def test_classes_without_pairs_are_not_numbers_and_constants_have_no_correlation() -> None:
    chosen = np.zeros((2, *SHAPE), dtype=bool)
    chosen[0, 0, 0] = True
    found = losses()
    assert np.isnan(group_covariance(found, chosen).value).all()
    still = np.ones_like(found)
    chosen[1, 1] = True
    assert group_correlation(still, chosen).value[1, 1] == 0


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"do not go with classes .* \(3, 5, 4\)"):
        group_blocks(losses(), classes().transpose(0, 2, 1))

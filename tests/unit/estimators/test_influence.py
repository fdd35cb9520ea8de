"""Covariances of losses: numpy's, invariances, errors that cover."""

import numpy as np
import pytest

from stagewise.estimators.influence import (
    block_covariances,
    correlation,
    covariance,
    functional_variance,
)


def losses(chains: int = 3, draws: int = 40, samples: int = 5, seed: int = 0):
    return np.random.default_rng(seed).standard_normal((chains, draws, samples))


def test_one_chain_is_numpys_covariance() -> None:
    found = losses(chains=1)
    assert np.allclose(covariance(found).value, np.cov(found[0].T))
    assert np.isnan(covariance(found).error).all()


def test_pooled_is_numpys_covariance_of_all_draws() -> None:
    found = losses() + np.arange(3)[:, None, None]
    joined = found.reshape(-1, 5)
    assert np.allclose(covariance(found, pooled=True).value, np.cov(joined.T))
    assert np.allclose(correlation(found, pooled=True).value, np.corrcoef(joined.T))


def test_within_chains_ignores_what_chains_differ_in() -> None:
    found = losses()
    moved = found + 100 * np.arange(3)[:, None, None]
    assert np.allclose(covariance(found).value, covariance(moved).value)
    each = np.mean([np.cov(chain.T) for chain in found], axis=0)
    assert np.allclose(covariance(found).value, each)


def test_two_sets_are_a_block_of_their_union() -> None:
    found = losses(samples=7)
    whole = covariance(found).value
    assert np.allclose(covariance(found[..., :3], found[..., 3:]).value, whole[:3, 3:])


@pytest.mark.parametrize("pooled", [False, True])
def test_blocks_average_to_the_whole(pooled: bool) -> None:
    found = losses(draws=40)
    one = block_covariances(found, pooled=pooled)
    many = block_covariances(found, blocks=4, pooled=pooled)
    assert many.shape == (12, 5, 5)
    assert np.allclose(many.mean(0), one.mean(0))


def test_correlation_is_invariant_under_affine_losses() -> None:
    found = losses()
    scale, shift = np.arange(1, 6) / 3, np.arange(5) * 10.0
    first, second = correlation(found), correlation(found * scale + shift)
    assert np.abs(first.value - second.value).max() < 1e-10
    assert np.allclose(first.error, second.error)


def test_a_loss_that_does_not_vary_correlates_with_nothing() -> None:
    found = losses()
    found[..., 2] = 1.5
    value = correlation(found).value
    assert (value[2] == 0).all()
    assert (value[:, 2] == 0).all()
    assert np.isfinite(value).all()


def test_errors_cover_the_truth() -> None:
    mix = np.array([[1.0, 0.0], [0.6, 0.8]])
    hits = {"covariance": 0, "correlation": 0}
    for seed in range(200):
        found = losses(chains=8, draws=100, samples=2, seed=seed) @ mix.T
        for name, estimate in (("covariance", covariance), ("correlation", correlation)):
            value, error = estimate(found)
            hits[name] += abs(value[0, 1] - 0.6) < 1.895 * error[0, 1]  # Student, 7 degrees
    assert all(167 <= count <= 193 for count in hits.values()), hits


def test_functional_variance_is_the_trace() -> None:
    found = losses()
    assert np.isclose(functional_variance(found).value, np.trace(covariance(found).value))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="chain, draw, sample"):
        covariance(np.zeros((4, 5)))
    with pytest.raises(ValueError, match="do not go with"):
        covariance(losses(chains=2), losses(chains=3))
    with pytest.raises(ValueError, match="two draws"):
        covariance(losses(draws=1))

"""Similarities of samples by their losses: known kernels, noise that averages out, invariances."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stagewise.estimators.influence import block_covariances, correlation
from stagewise.estimators.loss_kernel import (
    across_over_within,
    auc,
    between_classes,
    clusters_agreement,
    cosine_similarities,
    distances,
    effective_draws,
    neighbour_agreement,
    squared_correlations,
    strength,
    unsigned_distances,
    within_and_across,
)

LABELS = np.arange(12) // 4


def autoregressive(rho: float, chains: int, draws: int, samples: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((chains, draws, samples))
    for draw in range(1, draws):
        noise[:, draw] = rho * noise[:, draw - 1] + (1 - rho**2) ** 0.5 * noise[:, draw]
    return noise


def clustered(coupling: float, chains: int = 6, draws: int = 200, seed: int = 0) -> np.ndarray:
    """Losses of three classes of four samples: a common part of each class, and noise."""
    random = np.random.default_rng(seed)
    common = random.standard_normal((chains, draws, 3))[..., LABELS]
    return coupling * common + random.standard_normal((chains, draws, 12))


def test_squares_are_those_of_the_truth_and_unbiased_at_zero() -> None:
    truth = 0.5
    found = [squared_correlations(block_covariances(clustered(1.0, seed=s))) for s in range(60)]
    within, across = np.array([within_and_across(each, LABELS) for each in found]).T
    assert within.mean() == pytest.approx(truth**2, abs=0.01)
    assert abs(across.mean()) < 3 * across.std() / 60**0.5 + 1e-12
    naive = [np.square(correlation(clustered(1.0, seed=s)).value) for s in range(20)]
    assert np.mean([within_and_across(each, LABELS)[1] for each in naive]) > 5e-4


def test_squares_do_not_change_with_affine_losses() -> None:
    losses, scale = clustered(1.0), np.arange(1, 13) / 5
    one = squared_correlations(block_covariances(losses))
    two = squared_correlations(block_covariances(scale * losses + 7 * scale))
    assert np.abs(one - two).max() < 1e-10


def test_a_loss_that_does_not_vary_is_coupled_to_nothing() -> None:
    losses = clustered(1.0)
    losses[..., 3] = 0
    found = squared_correlations(block_covariances(losses))
    assert (found[3] == 0).all()
    assert np.isfinite(found).all()


def test_one_chain_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two chains"):
        squared_correlations(block_covariances(clustered(1.0, chains=1)))


def test_distances_are_those_of_unit_vectors() -> None:
    vectors = np.random.default_rng(0).standard_normal((6, 3))
    cosines = cosine_similarities(vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = np.linalg.norm(unit[:, None] - unit, axis=-1)
    assert np.allclose(distances(cosines), apart, atol=1e-7)
    assert np.allclose(unsigned_distances(-cosines), unsigned_distances(cosines))


def test_zero_vectors_are_like_nothing() -> None:
    assert (cosine_similarities(np.array([[1.0, 0], [0, 0]]))[1] == 0).all()


def test_blocks_by_counting() -> None:
    values = np.arange(16.0).reshape(4, 4)
    values += values.T
    labels = np.array([0, 0, 1, 1])
    found = between_classes(values, labels)
    assert found[0, 0] == values[0, 1]
    assert found[0, 1] == values[:2, 2:].mean()
    within, across = within_and_across(values, labels)
    assert within == (values[0, 1] + values[2, 3]) / 2
    assert across == values[:2, 2:].mean()
    assert across_over_within(values, labels) == pytest.approx((across / within) ** 0.5)
    assert np.isnan(across_over_within(-values, labels))
    assert np.isnan(between_classes(values, np.arange(4))[0, 0])


def test_auc_is_sklearns() -> None:
    values = np.random.default_rng(0).integers(0, 5, (12, 12)).astype(float)
    pairs = np.triu_indices(12, 1)
    same = (LABELS[:, None] == LABELS)[pairs]
    assert auc(values, LABELS) == pytest.approx(roc_auc_score(same, values[pairs]))


def test_coupled_classes_are_found_and_uncoupled_are_not() -> None:
    strong, none = correlation(clustered(1.0)).value, correlation(clustered(0.0)).value
    assert neighbour_agreement(strong, LABELS) == 1
    assert neighbour_agreement(none, LABELS) < 0.7
    assert clusters_agreement(strong, LABELS) == pytest.approx(1)
    assert clusters_agreement(none, LABELS) < 0.5


def test_neighbours_are_of_others() -> None:
    assert neighbour_agreement(np.eye(3) - 1.0, np.arange(3)) == 0


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_effective_draws_say_the_noise_of_correlations(rho: float) -> None:
    losses = autoregressive(rho, chains=8, draws=1000, samples=40)
    found = correlation(losses).value[np.triu_indices(40, 1)]
    assert effective_draws(losses) * np.square(found).mean() == pytest.approx(1, abs=0.1)
    assert effective_draws(losses) == pytest.approx(8000 * (1 - rho**2) / (1 + rho**2), rel=0.1)


def test_strength_of_negative_squares_is_zero() -> None:
    assert strength([-0.1, 0.25]).tolist() == [0, 0.5]

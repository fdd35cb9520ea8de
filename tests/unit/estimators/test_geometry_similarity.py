"""Shapes of clouds: equal ones, unrelated ones, what axes are called does not matter."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group, spearmanr

from stagewise.estimators.geometry_similarity import (
    distance_ranks,
    linear_cka,
    permuted_similarity,
    similarity,
)

RANDOM = np.random.default_rng(0)
CLOUD = RANDOM.standard_normal((80, 6)) * [4, 2, 1, 1, 1, 1]
NOISY = CLOUD + 0.5 * RANDOM.standard_normal((80, 6))
OTHER = RANDOM.standard_normal((80, 6))


def test_distances_are_compared_by_spearman() -> None:
    found = similarity(distance_ranks(CLOUD), distance_ranks(NOISY))
    assert found == pytest.approx(spearmanr(pdist(CLOUD), pdist(NOISY)).statistic)


def test_what_heads_are_called_does_not_matter() -> None:
    turned = 3 * CLOUD @ ortho_group.rvs(6, random_state=1) + 5
    assert similarity(distance_ranks(CLOUD), distance_ranks(turned)) == pytest.approx(1)
    assert linear_cka(CLOUD, turned) == pytest.approx(1)
    permuted = NOISY[:, ::-1]
    assert linear_cka(CLOUD, permuted) == pytest.approx(linear_cka(CLOUD, NOISY))


def test_unrelated_clouds_lie_within_the_null_and_related_ones_above() -> None:
    ranks, alike = distance_ranks(CLOUD), np.zeros(80)
    for other, related in ((NOISY, True), (OTHER, False)):
        ranks_other = distance_ranks(other)
        null = permuted_similarity(ranks, ranks_other, alike, repeats=200, seed=0)
        assert abs(null.mean()) < 0.02
        found = similarity(ranks, ranks_other)[0]
        assert (found > np.quantile(null, 0.99)) == related


def test_order_within_labels_leaves_what_labels_alone_explain() -> None:
    labels = np.arange(80) // 20
    centres = 5 * RANDOM.standard_normal((4, 6))[labels]
    one, two = (distance_ranks(centres + RANDOM.standard_normal((80, 6))) for _ in range(2))
    found = similarity(one, two)[0]
    within = permuted_similarity(one, two, labels, repeats=100, seed=0)
    free = permuted_similarity(one, two, np.zeros(80), repeats=100, seed=0)
    assert free.max() < found / 4
    assert within.mean() == pytest.approx(found, abs=0.05)


def test_permuted_with_labels_all_different_is_the_statistic_itself() -> None:
    one, two = distance_ranks(CLOUD), distance_ranks(NOISY)
    found = permuted_similarity(one, two, np.arange(80), repeats=1, seed=0)
    assert found == pytest.approx(similarity(one, two))


def test_a_token_that_weighs_two_is_there_twice_but_no_pair_with_itself() -> None:
    weights = RANDOM.integers(0, 3, (3, 80)).astype(float)
    one, two = distance_ranks(CLOUD), distance_ranks(NOISY)
    found = similarity(one, two, weights)
    for value, row in zip(found, weights.astype(int), strict=True):
        chosen = np.repeat(np.arange(80), row)
        different = chosen[:, None] != chosen
        pairs = np.ix_(chosen, chosen)
        # pairs of the two copies of one token are left out of numerator and of the number of pairs
        expected = np.corrcoef(one[pairs][different], two[pairs][different])[0, 1]
        assert value == pytest.approx(expected)
    assert linear_cka(CLOUD, NOISY, weights)[0] == pytest.approx(
        linear_cka(*(np.repeat(x, weights[0].astype(int), axis=0) for x in (CLOUD, NOISY)))[0]
    )


def test_cka_is_that_of_gram_matrices() -> None:
    centre = np.eye(80) - 1 / 80
    one, two = (centre @ x @ x.T @ centre for x in (CLOUD, NOISY))
    expected = np.vdot(one, two) / (np.linalg.norm(one) * np.linalg.norm(two))
    assert linear_cka(CLOUD, NOISY) == pytest.approx(expected)

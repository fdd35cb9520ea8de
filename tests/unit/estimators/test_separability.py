"""Telling labels from features: perfect, impossible, and by neighbours in the text only."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from stagewise.estimators.resampled_sequences import ranking
from stagewise.estimators.separability import (
    balanced_accuracy,
    equal_parts,
    logistic_scores,
    neighbour_labels,
)

RANDOM = np.random.default_rng(0)
SEQUENCES = np.repeat(np.arange(40), 10)
LABELS = RANDOM.choice(4, 400, p=[0.4, 0.3, 0.2, 0.1])
CENTRES = 6 * RANDOM.standard_normal((4, 5))


def accuracy(features: np.ndarray, labels: np.ndarray = LABELS) -> float:
    guessed = neighbour_labels(features, labels, SEQUENCES)
    return float(balanced_accuracy(labels, guessed)[0])


def test_clusters_are_told_and_noise_is_not() -> None:
    noise = RANDOM.standard_normal((400, 5))
    assert accuracy(CENTRES[LABELS] + 0.3 * noise) == pytest.approx(1, abs=0.01)
    assert accuracy(noise) == pytest.approx(0.25, abs=0.06)
    assert accuracy(CENTRES[LABELS] + 0.3 * noise, RANDOM.permutation(LABELS)) < 0.33


def test_neighbours_in_the_text_do_not_help() -> None:
    """Features that only say which sequence a token is from, labels that are one a sequence."""
    own = RANDOM.standard_normal((40, 5))[SEQUENCES] + 1e-3 * RANDOM.standard_normal((400, 5))
    labels = RANDOM.choice(4, 40)[SEQUENCES]
    assert accuracy(own, labels) < 0.5


def test_equal_parts_have_as_many_of_each() -> None:
    places = equal_parts(LABELS, seed=0)
    assert (np.bincount(LABELS[places]) == np.bincount(LABELS).min()).all()
    assert (np.diff(places) > 0).all()


def test_balanced_accuracy_is_scikit_learns() -> None:
    guessed = RANDOM.choice(4, 400)
    weights = RANDOM.integers(0, 3, (3, 400)).astype(float)
    assert balanced_accuracy(LABELS, guessed) == pytest.approx(
        balanced_accuracy_score(LABELS, guessed)
    )
    found = balanced_accuracy(LABELS, guessed, weights)
    for value, row in zip(found, weights, strict=True):
        assert value == pytest.approx(balanced_accuracy_score(LABELS, guessed, sample_weight=row))


def test_logistic_scores_rank_what_is_there() -> None:
    features, chosen = RANDOM.standard_normal((400, 5)), LABELS == 3
    noise = logistic_scores(features, chosen, SEQUENCES)
    assert abs(float(ranking(noise, chosen)[0]) - 0.5) < 0.15
    features[:, 2] += 3 * chosen
    assert float(ranking(logistic_scores(features, chosen, SEQUENCES), chosen)[0]) > 0.95

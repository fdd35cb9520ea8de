"""Bootstrap by sequence: counts within sources, known separations, parity with scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stagewise.estimators.resampled_sequences import ranking, separation, sequence_weights

RANDOM = np.random.default_rng(0)
SCORES = np.round(RANDOM.standard_normal(60), 1)  # with ties
CHOSEN = RANDOM.random(60) < 0.3
WEIGHTS = RANDOM.integers(0, 4, (5, 60)).astype(float)


def test_as_many_sequences_of_each_source_are_drawn() -> None:
    sources = np.array([0, 0, 0, 1, 1, 2])
    weights = sequence_weights(sources, repeats=200, seed=1)
    for source, count in ((0, 3), (1, 2), (2, 1)):
        assert (weights[:, sources == source].sum(1) == count).all()
    assert weights.mean(0) == pytest.approx(1, abs=0.25)
    assert (weights == sequence_weights(sources, repeats=200, seed=1)).all()


def test_separation_is_the_distance_of_means_in_pooled_deviations() -> None:
    scores = np.array([1.0, 3.0, 9.0, 11.0])
    assert separation(scores, [False, False, True, True]) == pytest.approx(8)
    assert separation(3 * scores - 7, [False, False, True, True]) == pytest.approx(8)
    assert separation(-scores, [False, False, True, True]) == pytest.approx(-8)


@pytest.mark.parametrize("statistic", [separation, ranking])
def test_a_token_that_weighs_two_is_there_twice(statistic) -> None:
    found = statistic(SCORES, CHOSEN, WEIGHTS)
    for value, row in zip(found, WEIGHTS.astype(int), strict=True):
        again = statistic(np.repeat(SCORES, row), np.repeat(CHOSEN, row))
        assert value == pytest.approx(again[0])


def test_ranking_is_the_area_under_the_curve() -> None:
    assert ranking(SCORES, CHOSEN)[0] == pytest.approx(roc_auc_score(CHOSEN, SCORES))
    weighted = [roc_auc_score(CHOSEN, SCORES, sample_weight=row) for row in WEIGHTS]
    assert ranking(SCORES, CHOSEN, WEIGHTS) == pytest.approx(weighted)
    assert ranking(CHOSEN.astype(float), CHOSEN)[0] == 1
    assert ranking(np.zeros(60), CHOSEN)[0] == pytest.approx(0.5)

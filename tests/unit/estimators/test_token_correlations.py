"""Posterior correlations of words."""

import numpy as np
import pytest

from stagewise.estimators.token_correlations import word_correlations

WORDS = np.array([0, 1, 0, 1, 2, 2])
SEQUENCES = np.array([0, 0, 1, 1, 1, 2])


@pytest.fixture
def losses():
    random = np.random.default_rng(0)
    return random.normal(size=(3, 50, 6)) + random.normal(size=(3, 50, 1))


def test_is_the_mean_over_pairs_of_different_sequences(losses):
    apart = (losses - losses.mean(1, keepdims=True)).reshape(-1, 6)
    single = np.corrcoef(apart.T)
    found = word_correlations(losses, WORDS, SEQUENCES, count=3)
    for one in range(3):
        for two in range(3):
            pairs = [
                single[s, t]
                for s in np.flatnonzero(one == WORDS)
                for t in np.flatnonzero(two == WORDS)
                if SEQUENCES[s] != SEQUENCES[t]
            ]
            assert found[one, two] == pytest.approx(np.mean(pairs))


def test_does_not_see_what_chains_differ_in(losses):
    shifted = losses + np.array([0.0, 5.0, -3.0])[:, None, None]
    one = word_correlations(losses, WORDS, SEQUENCES, count=3)
    assert word_correlations(shifted, WORDS, SEQUENCES, count=3) == pytest.approx(one)


def test_words_that_only_meet_in_one_sequence_have_none(losses):
    found = word_correlations(losses, WORDS, np.zeros(6), count=4)
    assert np.isnan(found).all()

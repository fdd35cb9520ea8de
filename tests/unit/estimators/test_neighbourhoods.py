"""Neighbours: of clusters, of the same picture, of unrelated pictures."""

import numpy as np
import pytest

from stagewise.estimators.neighbourhoods import nearest, overlap, purity

RANDOM = np.random.default_rng(0)


def test_neighbours_on_a_line() -> None:
    found = nearest(np.array([[0.0], [1.0], [3.0], [7.0]]), 1)
    assert found[:, 0].tolist() == [1, 0, 1, 2]


def test_clusters_are_pure_and_noise_has_the_base_rate() -> None:
    chosen, apart = RANDOM.random(1000) < 0.1, np.arange(1000)
    noise = RANDOM.standard_normal((1000, 3))
    assert purity(noise, chosen, apart, 15) == pytest.approx(1, abs=0.3)
    cluster = noise + 100 * chosen[:, None]
    assert purity(cluster, chosen, apart, 15) == pytest.approx(1 / chosen.mean())


def test_neighbours_in_the_text_do_not_count() -> None:
    """Sequences that each have a place of their own, far from the others, and chosen tokens."""
    sequences = np.arange(1000) // 20
    chosen = sequences % 10 == 0
    places = 10 * RANDOM.standard_normal((50, 3))[sequences] + RANDOM.standard_normal((1000, 3))
    assert purity(places, chosen, np.arange(1000), 15) > 5
    assert purity(places, chosen, sequences, 15) < 3


def test_pictures_overlap_as_far_as_they_agree() -> None:
    one, two = RANDOM.standard_normal((2, 300, 2))
    assert overlap(nearest(one, 15), nearest(5 - 2 * one, 15)) == 1
    assert overlap(nearest(one, 15), nearest(two, 15)) == pytest.approx(15 / 299, abs=0.02)

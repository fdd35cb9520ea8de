"""Neighbours: of clusters, of the same picture, of unrelated pictures."""

import numpy as np
import pytest

from stagewise.estimators.neighbourhoods import nearest, overlap, purity

RANDOM = np.random.default_rng(0)


def test_neighbours_on_a_line() -> None:
    found = nearest(np.array([[0.0], [1.0], [3.0], [7.0]]), 1)
    assert found[:, 0].tolist() == [1, 0, 1, 2]


def test_clusters_are_pure_and_noise_has_the_base_rate() -> None:
    chosen = RANDOM.random(1000) < 0.1
    noise = RANDOM.standard_normal((1000, 3))
    assert purity(nearest(noise, 15), chosen).mean() == pytest.approx(0.1, abs=0.03)
    apart = noise + 100 * chosen[:, None]
    assert purity(nearest(apart, 15), chosen).mean() == 1


def test_pictures_overlap_as_far_as_they_agree() -> None:
    one, two = RANDOM.standard_normal((2, 300, 2))
    assert overlap(nearest(one, 15), nearest(5 - 2 * one, 15)) == 1
    assert overlap(nearest(one, 15), nearest(two, 15)) == pytest.approx(15 / 299, abs=0.02)

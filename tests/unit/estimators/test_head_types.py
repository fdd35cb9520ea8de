"""Types of heads from curves and ablations whose answer is planted."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from stagewise.estimators.head_types import (
    behavioural_types,
    best_count,
    centred,
    clusters,
    shuffled_within,
    spread_between_and_within,
)

LAYERS = np.repeat([0, 1], 4)
TYPES = np.array(["copy", "copy", "store", "store", "copy", "store", "store", "store"])


def curves(apart: float) -> NDArray[np.float64]:
    """Storing heads rise, copying ones turn over, both on top of what their layer does."""
    time = np.linspace(0, 1, 9)
    rises, turns = apart * time, apart * (time - 2 * np.clip(time - 0.6, 0, 1))
    own = np.where((TYPES == "store")[:, None], rises, turns)
    layer = np.where(LAYERS == 0, 5.0, 20.0)[:, None] * (1 + time)
    return own + layer + 0.05 * np.random.default_rng(0).normal(size=(8, 9))


def test_a_head_is_of_the_source_that_needs_it_most() -> None:
    found = behavioural_types({"markov": [0.1, 0.2, -1.0], "repeats": [0.3, 0.1, -0.5]})
    assert found.tolist() == ["repeats", "markov", "repeats"]


def test_clusters_are_the_planted_types() -> None:
    """Only after the layers' own curves are taken off, which are much larger."""
    found = curves(2.0)
    assert adjusted_rand_score(TYPES, clusters(centred(found, LAYERS), 2)) == 1
    assert adjusted_rand_score(TYPES, clusters(found, 2)) < 0.5
    assert adjusted_rand_score(LAYERS, clusters(found, 2)) == 1


def test_centring_leaves_no_mean_of_a_layer() -> None:
    found = centred(curves(1.0), LAYERS)
    np.testing.assert_allclose(found[LAYERS == 0].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(found[LAYERS == 1].mean(0), 0, atol=1e-12)


def test_the_number_of_clusters_is_found() -> None:
    random = np.random.default_rng(0)
    places = np.repeat(np.eye(3) * 10, 4, axis=0) + random.normal(size=(12, 3))
    assert best_count(places) == 3
    assert best_count(places[:8]) == 2


@pytest.mark.parametrize("seed", [0, 1])
def test_clusters_do_not_depend_on_the_order_of_heads(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(8)
    found = centred(curves(1.0), LAYERS)
    one, other = clusters(found, 3), clusters(found[order], 3)
    assert adjusted_rand_score(one[order], other) == 1


def test_spread_of_types_adds_up_and_shuffled_labels_have_less() -> None:
    found = centred(curves(2.0), LAYERS)
    between, within = spread_between_and_within(found, TYPES)
    total = np.square(found - found.mean(0)).sum()
    assert between + within == pytest.approx(total)
    random = np.random.default_rng(0)
    shuffled = []
    for _ in range(200):
        one, other = spread_between_and_within(found, shuffled_within(TYPES, LAYERS, random))
        shuffled.append(one / other)
    # 24 arrangements: the planted one is the best, and one in 24 is it again
    assert between / within >= max(shuffled) - 1e-12
    assert between / within > 5 * np.median(shuffled)


def test_shuffling_keeps_what_a_layer_has() -> None:
    found = shuffled_within(TYPES, LAYERS, np.random.default_rng(3))
    for layer in (0, 1):
        assert sorted(found[layer == LAYERS]) == sorted(TYPES[layer == LAYERS])

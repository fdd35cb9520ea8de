"""Local clusters on graphs whose PageRank, conductance and parts are known."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import adjusted_mutual_info_score

from stagewise.estimators.local_clusters import (
    UNCLUSTERED,
    Clustering,
    clusters,
    conductances,
    neighbour_graph,
    personalised_pagerank,
    sweep,
)


def partition_graph(sizes: list[int], inside: float, across: float, seed: int = 0) -> csr_array:
    """A random graph: points of a part are joined by one probability, those of two by another."""
    part = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(part[:, None] == part, inside, across)
    upper = np.triu(np.random.default_rng(seed).random(chance.shape) < chance, 1)
    return csr_array((upper | upper.T).astype(float))


def balls(sizes: list[int], apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal clouds around corners of a simplex, with the cloud of each point."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    noise = np.random.default_rng(seed).standard_normal((len(label), len(sizes)))
    return apart * np.eye(len(sizes))[label] + noise, label


def exact_pagerank(graph: csr_array, start: int, alpha: float) -> np.ndarray:
    """alpha (I - (1 - alpha) W)^-1 of the start, W the lazy walk, by a dense solution."""
    dense = graph.toarray()
    walk = (np.eye(len(dense)) + dense / dense.sum(0)) / 2
    one = np.eye(len(dense))[start]
    return alpha * np.linalg.solve(np.eye(len(dense)) - (1 - alpha) * walk, one)


@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_pushes_come_to_the_exact_pagerank(alpha: float) -> None:
    graph = partition_graph([30, 30], 0.3, 0.05)
    found = personalised_pagerank(graph, [3, 40], alpha=alpha, tolerance=1e-12)
    for place, start in enumerate((3, 40)):
        np.testing.assert_allclose(found[:, place], exact_pagerank(graph, start, alpha), atol=1e-8)


def test_a_tolerance_leaves_no_more_than_it_says_and_never_adds() -> None:
    """p + the PageRank of r is exact, and no r exceeds the tolerance times the degree."""
    graph = partition_graph([30, 30], 0.3, 0.05)
    exact = exact_pagerank(graph, 3, 0.1)
    found = personalised_pagerank(graph, [3], alpha=0.1, tolerance=1e-4)[:, 0]
    degrees = graph.sum(0)
    assert (found <= exact + 1e-12).all()
    assert (exact - found <= 1e-4 * degrees + 1e-12).all()
    assert np.abs(exact - found).max() > 1e-6


def test_a_large_tolerance_keeps_the_walk_local() -> None:
    graph = partition_graph([40, 400], 0.3, 0.01)
    found = personalised_pagerank(graph, [0], alpha=0.1, tolerance=1e-2)[:, 0]
    assert 0 < (found > 0).sum() < 100


def test_pagerank_of_lonely_points_is_refused() -> None:
    with pytest.raises(ValueError, match="every point needs a neighbour"):
        personalised_pagerank(csr_array((3, 3)), [0], alpha=0.1, tolerance=1e-3)


def test_conductances_are_those_of_their_definition() -> None:
    graph = partition_graph([12, 18], 0.5, 0.2)
    dense = graph.toarray()
    order = np.random.default_rng(1).permutation(30)[:22]
    found = conductances(graph, order)
    for size in (1, 7, 22):
        inside = np.isin(np.arange(30), order[:size])
        cut = dense[inside][:, ~inside].sum()
        expected = cut / min(dense[inside].sum(), dense[~inside].sum())
        assert found[size - 1] == pytest.approx(expected)


def test_the_sweep_cuts_a_planted_part() -> None:
    graph = partition_graph([50, 150], 0.4, 0.01)
    settings = Clustering()
    ranks = personalised_pagerank(graph, [7, 120], alpha=0.05, tolerance=1e-9)
    members = sweep(graph, ranks[:, 0], settings)
    assert members is not None
    assert set(members) == set(range(50))


def test_the_sweep_finds_no_cluster_in_the_main_body() -> None:
    """From the large part conductance falls until half of all points are in."""
    graph = partition_graph([300], 0.1, 0.0)
    ranks = personalised_pagerank(graph, [7], alpha=0.05, tolerance=1e-9)
    assert sweep(graph, ranks[:, 0], Clustering(slack=0.0)) is None
    clustered = partition_graph([50, 150], 0.4, 0.01)
    own = personalised_pagerank(clustered, [7], alpha=0.05, tolerance=1e-9)[:, 0]
    assert sweep(clustered, own, Clustering(main_body=1e-3)) is None


def test_neighbours_are_mutual_and_never_oneself() -> None:
    points = np.random.default_rng(0).standard_normal((40, 3))
    graph = neighbour_graph(points, 4)
    dense = graph.toarray()
    assert (dense == dense.T).all()
    assert np.diagonal(dense).sum() == 0
    assert dense.sum(0).min() >= 4
    apart = np.linalg.norm(points[:, None] - points, axis=-1) + 1e9 * np.eye(40)
    assert dense[0, np.argsort(apart[0])[:4]].all()


def test_clusters_are_the_planted_clouds() -> None:
    points, label = balls([60, 80, 100, 120, 40], 8.0)
    found = clusters(points, Clustering(), seed=0)
    assert adjusted_mutual_info_score(label, found) > 0.95
    assert len(set(found) - {UNCLUSTERED}) == 5


def test_clusters_do_not_depend_on_the_order_of_the_points() -> None:
    points, label = balls([60, 80, 100], 8.0)
    order = np.random.default_rng(2).permutation(len(points))
    found = clusters(points[order], Clustering(), seed=3)
    assert adjusted_mutual_info_score(label[order], found) > 0.95


def test_points_without_clusters_agree_with_no_labels() -> None:
    points, _ = balls([400], 0.0)
    labels = np.random.default_rng(1).integers(0, 4, 400)
    found = clusters(points, Clustering(), seed=0)
    assert abs(adjusted_mutual_info_score(labels, found)) < 0.05


def test_small_clouds_are_no_clusters() -> None:
    points, label = balls([8, 150, 150], 10.0)
    found = clusters(points, Clustering(neighbours=5), seed=0)
    sizes = np.bincount(found[found >= 0])
    assert sizes.min() >= 20
    assert len(set(found[label == 0])) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"alpha": 0.0}, "alpha"), ({"smallest": 0}, "smallest"), ({"tolerance": 0.0}, "tolerance")],
)
def test_settings_out_of_range_name_themselves(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clustering(**settings)

"""Clusters of points by local cuts of their neighbour graph (Gordon et al. 2026, 2601.12703).

From a random point a personalised PageRank spreads over the graph of nearest neighbours; the set of
best conductance among its prefixes is a cluster (Andersen, Chung and Lang 2006). Points of which no
such set is found stay unclustered. So the number of clusters is a property of these settings, not
of the points alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import kneighbors_graph

Array = NDArray[np.float64]
UNCLUSTERED = -1
"""The label of points in no cluster."""


@dataclass(frozen=True)
class Clustering:
    """Settings of the graph, the walk and the loop over seeds."""

    neighbours: int = 15
    """k: points are joined where one is among the k nearest of the other."""
    alpha: float = 0.05
    """Probability of a jump back to the seed, of the lazy walk."""
    tolerance: float = 1e-7
    """Largest residual of a point, over its degree."""
    smallest: int = 20
    """Points of a cluster, at least."""
    slack: float = 0.05
    """Of the prefixes whose conductance is within this share of the least, the smallest is cut."""
    main_body: float = 0.99
    """Conductance above which a set is no cluster: our reading of the paper's threshold."""
    overlap: float = 0.5
    """Jaccard index with an earlier cluster from which a set is no new one."""
    round: int = 16
    """Seeds drawn together."""
    settled: float = 0.001
    """The loop ends with a round that has clustered no larger share of the points than this."""
    rounds: int = 40
    """At most."""

    def __post_init__(self) -> None:
        for name in ("neighbours", "smallest", "round", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: must be between 0 and 1, got {self.alpha}")
        if self.tolerance <= 0:
            raise ValueError(f"tolerance: must be positive, got {self.tolerance}")


def neighbour_graph(points: ArrayLike, neighbours: int) -> csr_array:
    """The symmetric graph (point, point) of weights 0 and 1, by Euclidean distance; no loops."""
    found = csr_array(kneighbors_graph(np.asarray(points), neighbours))
    return csr_array(found.maximum(found.T))


def personalised_pagerank(
    graph: csr_array, seeds: ArrayLike, *, alpha: float, tolerance: float
) -> Array:
    """Approximate PageRank of each seed, (point, seed), by pushes.

    The walk is lazy: with probability alpha it goes back to the seed, else it stays with one half
    and goes to a neighbour with the other. p = 0 and r = 1 at the seed; as long as any point has
    r(v) > tolerance degree(v), all such points pass alpha r(v) on to p(v) and (1 - alpha) r(v) to a
    step of the walk. p is below the exact vector by the PageRank of what is left in r. (The effect
    of alpha is that of 2 alpha / (1 + alpha) in a walk that is not lazy.)
    """
    degrees = np.asarray(graph.sum(0)).ravel()
    if degrees.min() <= 0:
        raise ValueError("graph: every point needs a neighbour")
    step = csr_array(graph @ diags_array(1 / degrees))
    chosen = np.asarray(seeds)
    found = np.zeros((len(degrees), len(chosen)))
    residual = np.zeros_like(found)
    residual[chosen, np.arange(len(chosen))] = 1
    limit = tolerance * degrees[:, None]
    while (active := residual > limit).any():
        pushed = np.where(active, residual, 0)
        found += alpha * pushed
        residual += (1 - alpha) / 2 * (pushed + step @ pushed) - pushed
    return found


def conductances(graph: csr_array, order: ArrayLike) -> Array:
    """cut(S, rest) / min(volume of S, volume of rest) of every prefix S of an order of points, but
    all: 1 where the rest has no edges."""
    places = np.asarray(order)
    degrees = np.asarray(graph.sum(0)).ravel()
    rank = np.full(len(degrees), len(degrees))
    rank[places] = np.arange(len(places))
    edges = graph.tocoo()
    first, second = rank[edges.coords[0]], rank[edges.coords[1]]
    # an edge is cut while its earlier end is in and its later end is not
    change = np.zeros(len(degrees) + 1)
    np.add.at(change, np.minimum(first, second), edges.data / 2)
    np.add.at(change, np.maximum(first, second), -edges.data / 2)
    cut = change.cumsum()[: len(places)]
    volume = degrees[places].cumsum()
    smaller = np.minimum(volume, degrees.sum() - volume)
    ratio = np.divide(cut, smaller, out=np.ones_like(cut), where=smaller > 0)
    return ratio[:-1] if len(places) == len(degrees) else ratio


def sweep(graph: csr_array, pagerank: Array, settings: Clustering) -> NDArray[np.int64] | None:
    """The cluster of a seed by its PageRank (point,), or None where it is of the main body.

    Prefixes of p / degree, of `smallest` to half of all points; of those within `slack` of the
    least conductance the smallest is cut. None where that is above `main_body`, or where
    conductance still falls at half of all points: such a set swallows the main body.
    """
    degrees = np.asarray(graph.sum(0)).ravel()
    half = len(degrees) // 2
    reached = np.flatnonzero(pagerank > 0)
    order = reached[np.argsort(-pagerank[reached] / degrees[reached], kind="stable")]
    found = conductances(graph, order[: half + 1])[settings.smallest - 1 : half]
    if not len(found):
        return None
    least = found.min()
    if least > settings.main_body or found.argmin() == half - settings.smallest:
        return None
    size = settings.smallest + int(np.argmax(found <= (1 + settings.slack) * least))
    return order[:size]


def clusters(points: ArrayLike, settings: Clustering, *, seed: int) -> NDArray[np.int64]:
    """The cluster of each point (point, feature), counted from 0, or UNCLUSTERED.

    Seeds are drawn among points without a cluster. A set that overlaps an earlier cluster by less
    than `overlap` is a new one and takes those of its points that are in none, if at least
    `smallest` are left.
    """
    graph = neighbour_graph(points, settings.neighbours)
    random = np.random.default_rng(seed)
    labels = np.full(graph.shape[0], UNCLUSTERED)
    accepted: list[NDArray[np.int64]] = []
    for _ in range(settings.rounds):
        free = np.flatnonzero(labels == UNCLUSTERED)
        if len(free) < settings.smallest:
            break
        drawn = random.choice(free, min(settings.round, len(free)), replace=False)
        ranks = personalised_pagerank(
            graph, drawn, alpha=settings.alpha, tolerance=settings.tolerance
        )
        for place, start in enumerate(drawn):
            if labels[start] != UNCLUSTERED:
                continue
            members = sweep(graph, ranks[:, place], settings)
            if members is None or any(
                _jaccard(members, other) >= settings.overlap for other in accepted
            ):
                continue
            new = members[labels[members] == UNCLUSTERED]
            if len(new) >= settings.smallest:
                labels[new] = len(accepted)
                accepted.append(members)
        if len(free) - (labels == UNCLUSTERED).sum() <= settings.settled * len(labels):
            break
    return labels


def _jaccard(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)


def mutual_information(labels: ArrayLike, found: ArrayLike) -> float:
    """Adjusted mutual information of two labellings, over the points that both cluster; 0 where
    there is none."""
    one, two = np.asarray(labels), np.asarray(found)
    inside = (one != UNCLUSTERED) & (two != UNCLUSTERED)
    if not inside.any():
        return 0.0
    return float(adjusted_mutual_info_score(one[inside], two[inside]))

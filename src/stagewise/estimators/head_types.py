"""Types of attention heads: by what they do, and by their curves over training."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

STARTS = 20
"""Of k-means, the best of which counts."""


def behavioural_types(increases: Mapping[str, ArrayLike]) -> NDArray[np.str_]:
    """Each head's source: that whose loss rises most when the head's output is its mean.

    increases  source -> rise of its loss (head,), nats per token
    """
    names = np.array(list(increases))
    return names[np.argmax([np.asarray(increases[name]) for name in names], axis=0)]


def centred(curves: ArrayLike, layers: ArrayLike) -> NDArray[np.float64]:
    """Curves (head, checkpoint) less the mean over the heads of the same layer."""
    found, layer = np.array(curves, dtype=float), np.asarray(layers)
    for each in np.unique(layer):
        found[layer == each] -= found[layer == each].mean(0)
    return found


def clusters(curves: ArrayLike, count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Number of each head's cluster, by k-means on the curves (head, checkpoint) as they are."""
    fitted = KMeans(count, n_init=STARTS, random_state=seed).fit(np.asarray(curves))
    labels: NDArray[np.int64] = fitted.labels_.astype(np.int64)
    return labels


def best_count(curves: ArrayLike, *, least: int = 2, most: int = 4) -> int:
    """Number of clusters from `least` to `most` with the largest mean silhouette."""
    found = np.asarray(curves)
    scores = {
        count: silhouette_score(found, clusters(found, count))
        for count in range(least, min(most, len(found) - 1) + 1)
    }
    return max(scores, key=lambda count: scores[count])


def spread_between_and_within(curves: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """Sums of squares of the curves (head, checkpoint): of the types' means around the mean of all
    heads, each with its number of heads, and of the heads around the mean of their type."""
    found, label = np.asarray(curves, dtype=float), np.asarray(labels)
    means = np.empty_like(found)
    for each in np.unique(label):
        means[label == each] = found[label == each].mean(0)
    between = float(np.square(means - found.mean(0)).sum())
    return between, float(np.square(found - means).sum())


def shuffled_within(
    labels: ArrayLike, groups: ArrayLike, random: np.random.Generator
) -> NDArray[np.str_]:
    """The labels in random order among the heads of each group (a model's layer)."""
    found, group = np.array(labels), np.asarray(groups)
    for each in np.unique(group):
        found[group == each] = random.permutation(found[group == each])
    return found

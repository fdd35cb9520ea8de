"""Whether two clouds of the same tokens have one shape, whatever their axes are called.

Heads of two networks do not correspond, so loadings cannot be compared; distances between tokens
can (Wang et al. 2025, 2508.00331, body plans of several seeds). Features are (token, feature), with
columns on a scale of their own choice.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

Array = NDArray[np.float64]


def distance_ranks(features: ArrayLike) -> Array:
    """Ranks of the Euclidean distances of all pairs of tokens, from 0 to 1, (token, token)."""
    ranks = rankdata(pdist(np.asarray(features, dtype=np.float64)))
    return np.asarray(squareform(ranks / len(ranks)))


def similarity(one: ArrayLike, two: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Correlation over pairs of different tokens of two matrices of ranks: the statistic of Mantel
    (1967) and of representational similarity analysis.

    weights  (repeat, token), how often a token counts; a token is no pair with itself
    returns  one value a repeat, or one for all tokens once
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    w = np.ones((1, len(a))) if weights is None else np.asarray(weights, dtype=np.float64)
    pairs = w.sum(1) ** 2 - (w**2).sum(1)
    # the diagonals are zero, so that sums over all pairs are sums over different tokens
    mean_a, mean_b, product, square_a, square_b = (
        np.einsum("rt,rt->r", w @ values, w) / pairs for values in (a, b, a * b, a * a, b * b)
    )
    spread = np.sqrt((square_a - mean_a**2) * (square_b - mean_b**2))
    return np.asarray((product - mean_a * mean_b) / spread)


def permuted_similarity(
    one: ArrayLike, two: ArrayLike, labels: ArrayLike, *, repeats: int, seed: int
) -> Array:
    """`similarity` with the tokens of the second matrix in random order, one value a repeat.

    labels  (token,): a token changes places with those of its own label only; all alike for the
            null of no relation at all
    """
    a, b = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    label, random = np.asarray(labels), np.random.default_rng(seed)
    pairs = len(a) * (len(a) - 1)
    centre_a, centre_b = a.sum() / pairs, b.sum() / pairs
    spread = np.sqrt(((a**2).sum() / pairs - centre_a**2) * ((b**2).sum() / pairs - centre_b**2))
    found = np.empty(repeats)
    groups = [np.flatnonzero(label == each) for each in np.unique(label)]
    for repeat in range(repeats):
        order = np.arange(len(a))
        for group in groups:
            order[group] = random.permutation(group)
        product = np.vdot(a, b[np.ix_(order, order)]) / pairs
        found[repeat] = (product - centre_a * centre_b) / spread
    return found


def linear_cka(one: ArrayLike, two: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Linear centred kernel alignment (Kornblith et al. 2019, 1905.00414).

        |X^T Y|^2 / (|X^T X| |Y^T Y|)

    of columns centred over tokens. Weights as in `similarity`.
    """
    x, y = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    w = np.ones((1, len(x))) if weights is None else np.asarray(weights, dtype=np.float64)

    def alignment(row: Array) -> float:
        left = x - np.average(x, axis=0, weights=row)
        right = y - np.average(y, axis=0, weights=row)
        cross = np.linalg.norm(left.T @ (row[:, None] * right)) ** 2
        own = [np.linalg.norm(each.T @ (row[:, None] * each)) for each in (left, right)]
        return float(cross / (own[0] * own[1]))

    return np.array([alignment(row) for row in w])

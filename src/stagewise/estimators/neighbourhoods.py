"""Nearest neighbours of tokens: of what kind they are, and whether two pictures agree on them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

Array = NDArray[np.float64]


def nearest(places: ArrayLike, count: int) -> NDArray[np.int64]:
    """Numbers (token, count) of the other tokens nearest to each, of places (token, dimension)."""
    found = np.asarray(places, dtype=np.float64)
    model = NearestNeighbors(n_neighbors=count).fit(found)
    return np.asarray(model.kneighbors(return_distance=False))


def purity(places: ArrayLike, chosen: ArrayLike, sequences: ArrayLike, count: int) -> float:
    """How much more of the chosen tokens' neighbours are chosen than of all tokens.

    Share of the `count` nearest tokens of other sequences that are chosen, mean over chosen tokens,
    over the share of all tokens that are: 1 where the chosen lie anywhere.
    """
    found, member = np.asarray(places, dtype=np.float64), np.asarray(chosen, dtype=bool)
    sequence = np.asarray(sequences)
    away = cdist(found[member], found)
    away[sequence[member][:, None] == sequence] = np.inf
    around = np.argpartition(away, count, axis=1)[:, :count]
    return float(member[around].mean() / member.mean())


def overlap(one: ArrayLike, two: ArrayLike) -> float:
    """Share of neighbours that two pictures of the same tokens have in common, mean over tokens.

    Of k neighbours among n tokens in unrelated pictures about k / (n - 1).
    """
    first, second = np.asarray(one), np.asarray(two)
    common = (first[:, :, None] == second[:, None, :]).any(2)
    return float(common.mean())

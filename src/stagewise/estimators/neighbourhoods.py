"""Nearest neighbours of tokens: of what kind they are, and whether two pictures agree on them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import NearestNeighbors

Array = NDArray[np.float64]


def nearest(places: ArrayLike, count: int) -> NDArray[np.int64]:
    """Numbers (token, count) of the other tokens nearest to each, of places (token, dimension)."""
    found = np.asarray(places, dtype=np.float64)
    model = NearestNeighbors(n_neighbors=count).fit(found)
    return np.asarray(model.kneighbors(return_distance=False))


def purity(neighbours: ArrayLike, chosen: ArrayLike) -> Array:
    """Share of each chosen token's neighbours that are chosen, too, one value a chosen token."""
    member = np.asarray(chosen, dtype=bool)
    return np.asarray(member[np.asarray(neighbours)][member].mean(1))


def overlap(one: ArrayLike, two: ArrayLike) -> float:
    """Share of neighbours that two pictures of the same tokens have in common, mean over tokens.

    Of k neighbours among n tokens in unrelated pictures about k / (n - 1).
    """
    first, second = np.asarray(one), np.asarray(two)
    common = (first[:, :, None] == second[:, None, :]).any(2)
    return float(common.mean())

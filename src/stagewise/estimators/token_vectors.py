"""Susceptibility vectors of tokens, made ready for clustering (2601.12703).

Columns, the responses of components, are standardised over tokens; then each row loses its mean,
the mode that is the same for all components. What is left may be noise: columns of which two
disjoint groups of chains do not agree are left out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stagewise.estimators.response_matrix import reliability, row_centred, standardised

Array = NDArray[np.float64]


class Vectors(NamedTuple):
    """The same tokens by all chains and by each half of them."""

    values: Array
    """(token, kept column), from the mean of both halves"""
    halves: Array
    """(half, token, kept column)"""
    kept: NDArray[np.int64]
    """Numbers of the columns that are kept."""
    reliability: Array
    """(kept column,) correlation over tokens of the halves"""
    dropped: Array
    """Reliability of each column (column,) when it was left out; not a number if it was not."""


def prepared(values: ArrayLike, *, centred: bool = True) -> Array:
    """Columns of (token, column) with mean 0 and deviation 1, then rows without their mean."""
    found = standardised(np.asarray(values, dtype=float))
    return row_centred(found) if centred else found


def reliable_vectors(halves: ArrayLike, *, least: float, centred: bool = True) -> Vectors:
    """Prepared vectors of the columns whose halves agree, from estimates (2, token, column).

    The column that agrees least is left out and rows are centred anew, until all that are left
    agree by `least` or only three are left.
    """
    found = np.asarray(halves, dtype=float)
    if found.ndim != 3 or len(found) != 2:
        raise ValueError(f"halves: need axes (2, token, column), got shape {found.shape}")
    kept = np.arange(found.shape[2])
    dropped = np.full(len(kept), np.nan)
    while True:
        both = np.stack([prepared(half[:, kept], centred=centred) for half in found])
        agreement = reliability(both[0], both[1])
        worst = int(agreement.argmin())
        if agreement[worst] >= least or len(kept) <= 3:
            values = prepared(found.mean(0)[:, kept], centred=centred)
            return Vectors(values, both, kept, agreement, dropped)
        dropped[kept[worst]] = agreement[worst]
        kept = np.delete(kept, worst)


def sparse_places(
    sequences: int, length: int, *, first: int, share: float, seed: int
) -> NDArray[np.bool_]:
    """(sequence, place) that are looked at: random ones of each sequence from place `first` on, so
    many that they are a `share` of its places. Tokens near each other are not independent."""
    count = int(share * length)
    if not 0 < count <= length - first:
        raise ValueError(f"share: {share} of {length} places does not fit beyond {first}")
    random = np.random.default_rng(seed)
    chosen = np.zeros((sequences, length), dtype=bool)
    for row in chosen:
        row[first + random.choice(length - first, count, replace=False)] = True
    return chosen

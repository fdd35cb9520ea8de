"""Resampled text: tokens of a sequence are not independent, sequences are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def sequence_weights(sources: ArrayLike, *, repeats: int, seed: int) -> Array:
    """How often each sequence is drawn in a bootstrap within sources, (repeat, sequence).

    sources  number of the source of each sequence: as many are drawn of each as there are, since
             how many there are was not left to chance
    """
    source, random = np.asarray(sources), np.random.default_rng(seed)
    found = np.zeros((repeats, len(source)))
    for one in np.unique(source):
        places = np.flatnonzero(source == one)
        found[:, places] = random.multinomial(
            len(places), np.full(len(places), 1 / len(places)), size=repeats
        )
    return found


def separation(scores: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Standardised distance of the chosen tokens from the others along an axis.

        D = (mean of the chosen - mean of the others) / pooled standard deviation

    (Wang et al. 2025, 2508.00331.) Scores and chosen are (token,), weights (repeat, token); returns
    one value a repeat, or one for all tokens once.
    """
    found, member = np.asarray(scores, dtype=np.float64), np.asarray(chosen, dtype=np.float64)
    w = np.ones((1, len(found))) if weights is None else np.asarray(weights, dtype=np.float64)
    counts, means, squares = [], [], []
    for part in (member, 1 - member):
        counts.append(w @ part)
        means.append(w @ (part * found) / counts[-1])
        squares.append(w @ (part * found**2) - counts[-1] * means[-1] ** 2)
    pooled = np.sqrt(np.sum(squares, axis=0) / np.sum(counts, axis=0))
    return np.asarray((means[0] - means[1]) / pooled)


def ranking(scores: ArrayLike, chosen: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Area under the curve: the chance that a chosen token has a larger score than another, ties
    counting half. Shapes are those of `separation`."""
    found, member = np.asarray(scores, dtype=np.float64), np.asarray(chosen, dtype=np.float64)
    w = np.ones((1, len(found))) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(found, kind="stable")
    starts = np.flatnonzero(np.diff(found[order], prepend=-np.inf))
    hits = np.add.reduceat((w * member)[:, order], starts, axis=1)
    others = np.add.reduceat((w * (1 - member))[:, order], starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    return np.asarray((hits * below).sum(1) / (hits.sum(1) * others.sum(1)))

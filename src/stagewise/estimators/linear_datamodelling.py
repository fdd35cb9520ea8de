"""The linear datamodelling score of an attribution (Park et al. 2023, 2303.14186)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def predicted(attributions: ArrayLike, member: ArrayLike) -> Array:
    """sum_{i in S} tau_iq for every subset S and query q, (subset, query).

    attributions  tau (sample, query)
    member        1 where a sample is in a subset, (subset, sample)
    """
    chosen = np.asarray(member, dtype=np.float64)
    return np.asarray(chosen @ np.asarray(attributions, dtype=np.float64))


def datamodelling_scores(found: ArrayLike, wanted: ArrayLike, weights: ArrayLike) -> Array:
    """Mean over queries of Spearman's correlation over subsets, once for every weighting, (b,).

    Of whole numbers as weights: the score of that many copies of each subset, as the bootstrap
    over subsets has them; ones give the score itself. Ties share their mean rank. Queries for which
    either side is constant are left out; not a number if all are.

    found, wanted  predicted and true losses, (subset, query)
    weights        (b, subset)
    """
    one, two = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if one.shape != two.shape:
        raise ValueError(f"shapes differ: predicted {one.shape}, true {two.shape}")
    counts = np.asarray(weights, dtype=np.float64)
    scores = np.stack([_spearman(one[:, q], two[:, q], counts) for q in range(one.shape[1])])
    known = np.isfinite(scores)
    total = np.where(known, scores, 0).sum(0)
    return np.asarray(np.divide(total, known.sum(0), out=np.full(len(counts), np.nan),
                                where=known.any(0)))  # fmt: skip


def _spearman(first: Array, second: Array, weights: Array) -> Array:
    """(b,) Pearson's correlation of weighted mid-ranks, weighted."""
    one, two = _centred_ranks(first, weights), _centred_ranks(second, weights)
    products = (weights * one * two).sum(1)
    squares = (weights * one**2).sum(1) * (weights * two**2).sum(1)
    return np.divide(products, np.sqrt(squares), out=np.full(len(weights), np.nan),
                     where=squares > 0)  # fmt: skip


def _centred_ranks(values: Array, weights: Array) -> Array:
    """Weighted mid-ranks less their weighted mean, (b, subset)."""
    distinct, group = np.unique(values, return_inverse=True)
    sums = weights @ (group[:, None] == np.arange(len(distinct)))
    below = np.cumsum(sums, 1) - sums / 2
    return below[:, group] - weights.sum(1, keepdims=True) / 2

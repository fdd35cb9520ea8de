"""How well a score tells some things from the others."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata


def auc(scores: ArrayLike, chosen: ArrayLike) -> float:
    """Chance that one of the chosen has a larger score than one of the others, ties counting half:
    the area under the receiver operating characteristic. Not a number if either kind is missing."""
    found, kind = np.asarray(scores, dtype=float), np.asarray(chosen, dtype=bool)
    hits = int(kind.sum())
    misses = len(kind) - hits
    if not hits or not misses:
        return float("nan")
    ranks = rankdata(found)
    return float((ranks[kind].sum() - hits * (hits + 1) / 2) / (hits * misses))


def folded_auc(scores: ArrayLike, chosen: ArrayLike) -> float:
    """`auc` of the score or of its negative, the larger: of an axis without a sign."""
    found = auc(scores, chosen)
    return max(found, 1 - found)

"""Damped influence functions where the curvature is a sum of few outer products."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def low_rank_influence(
    train: ArrayLike, query: ArrayLike, roots: ArrayLike, damping: float
) -> Array:
    """g_i^T (H + lambda I)^-1 g_q of every pair (train, query), for H = R^T R.

        (R^T R + lambda I)^-1 = (I - R^T (R R^T + lambda I)^-1 R) / lambda

    so that nothing of size d x d is made.

    train, query  gradients (sample, d)
    roots         R, (k, d)
    damping       lambda > 0
    """
    one, two, r = (np.asarray(part, dtype=np.float64) for part in (train, query, roots))
    inner = r @ r.T + damping * np.eye(len(r))
    return np.asarray((one @ two.T - (one @ r.T) @ np.linalg.solve(inner, r @ two.T)) / damping)

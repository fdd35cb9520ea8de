"""Expected losses of linear regression under a local posterior whose samples have weights."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def expected_losses(
    inputs: ArrayLike,
    labels: ArrayLike,
    centre: ArrayLike,
    weights: ArrayLike,
    *,
    nbeta: float,
    localization: float,
) -> Array:
    """E[l_j] (sample,) of l_j = (y_j - x_j.w)^2 / 2, nats, over w ~ N(m, P^-1) with

        P = (n beta / n) X^T B X + gamma I,   m = P^-1 ((n beta / n) X^T B y + gamma w*)

    the density exp(-(n beta / n) sum_i b_i l_i(w) - gamma |w - w*|^2 / 2). Its derivative by b_i
    at b = 1 is -(n beta / n) Cov(l_i, l_j): fluctuation and response.

    inputs   x_i, (sample, d)
    labels   y_i, (sample,)
    centre   w*, (d,)
    weights  b_i, (sample,)
    """
    x, y = np.asarray(inputs, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    b, w = np.asarray(weights, dtype=np.float64), np.asarray(centre, dtype=np.float64)
    scaled = nbeta / len(x) * b[:, None] * x
    precision = scaled.T @ x + localization * np.eye(x.shape[1])
    mean = np.linalg.solve(precision, scaled.T @ y + localization * w)
    spread = np.einsum("ij,ji->i", x, np.linalg.solve(precision, x.T))
    return np.asarray(((y - x @ mean) ** 2 + spread) / 2)

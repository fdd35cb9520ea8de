"""A projected kernel of margins: TRAK of one model (Park et al. 2023, 2303.14186)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def projected_kernel(
    train: ArrayLike, query: ArrayLike, probabilities: ArrayLike, *, width: int, seed: int
) -> Array:
    """What each training sample adds to the margin of each query, (train, query).

        tau = Q Phi (Phi^T Phi)^-1 phi,   f = log p / (1 - p),   Q = diag(1 - p)

    with the gradients of f, projected to `width` normal directions, as rows of Phi and as phi.

    train, query   gradients of f by all weights, (train, d) and (query, d)
    probabilities  p of the right label of each training sample, (train,)
    width          at most the number of training samples, else ValueError
    """
    one, two = np.asarray(train, dtype=np.float64), np.asarray(query, dtype=np.float64)
    if width > len(one):
        raise ValueError(f"width: {width} directions need as many samples, there are {len(one)}")
    random = np.random.default_rng(seed)
    projection = random.standard_normal((one.shape[1], width)) / width**0.5
    features, asked = one @ projection, two @ projection
    fitted = np.linalg.solve(features.T @ features, asked.T)
    left = 1 - np.asarray(probabilities, dtype=np.float64)
    return np.asarray(left[:, None] * (features @ fitted))

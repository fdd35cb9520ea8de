"""The Gauss-Newton matrix of softmax classifiers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def gauss_newton(jacobians: ArrayLike, probabilities: ArrayLike) -> Array:
    """G = (1/n) sum_i J_i^T (diag p_i - p_i p_i^T) J_i, (d, d), of mean cross-entropy in nats.

    It is the Hessian without second derivatives of the network, and the Fisher matrix of the
    model's own labels (Martens 2020, 1412.1193).

    jacobians      J_i of the logits, (sample, class, d)
    probabilities  p_i of the classes, (sample, class)
    """
    scores = label_gradients(jacobians, probabilities)
    flat = scores.reshape(-1, scores.shape[-1])
    return np.asarray(flat.T @ flat / len(scores))


def label_gradients(jacobians: ArrayLike, probabilities: ArrayLike) -> Array:
    """sqrt(p_c) grad log p_c for every class c that the label could be, (sample, class, d).

    grad log p_c = J_c - sum_k p_k J_k; the products of these with themselves, summed over c, are
    each sample's part of the Gauss-Newton matrix. Arguments as of `gauss_newton`.
    """
    J, p = np.asarray(jacobians, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    apart = J - np.einsum("sc,scd->sd", p, J)[:, None]
    return np.asarray(np.sqrt(p)[..., None] * apart)

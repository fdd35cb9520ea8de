"""Loss kernels of softmax classifiers under the Gauss-Newton local posterior, in closed form."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Covariances(NamedTuple):
    """Cov(l_i, l_j), (sample, sample): the first is of the gradients, the second, never negative,
    of the curvatures."""

    first: Array
    second: Array

    @property
    def whole(self) -> Array:
        """Their sum."""
        return np.asarray(self.first + self.second)


def probabilities(logits: ArrayLike) -> Array:
    """Softmax of logits (sample, class)."""
    found = np.asarray(logits, dtype=np.float64)
    raised = np.exp(found - found.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def gradients(jacobians: ArrayLike, logits: ArrayLike, labels: ArrayLike) -> Array:
    """J_i^T (p_i - onehot(y_i)), (sample, d): of the cross-entropies, from dlogits/dw J_i (sample,
    class, d)."""
    errors = probabilities(logits)
    errors[np.arange(len(errors)), np.asarray(labels)] -= 1
    return np.einsum("ik,ikd->id", errors, np.asarray(jacobians, dtype=np.float64))


def factors(jacobians: ArrayLike, logits: ArrayLike) -> Array:
    """F_i with F_i^T F_i = J_i^T S_i J_i, (sample, class, d), of S_i = diag(p_i) - p_i p_i^T."""
    p, j = probabilities(logits), np.asarray(jacobians, dtype=np.float64)
    mean = np.einsum("ik,ikd->id", p, j)
    return np.asarray(np.sqrt(p)[:, :, None] * (j - mean[:, None, :]))


def gauss_newton(jacobians: ArrayLike, logits: ArrayLike) -> Array:
    """(1 / n) sum_i J_i^T S_i J_i, (d, d): the Gauss-Newton Hessian of the mean cross-entropy."""
    found = factors(jacobians, logits)
    flat = found.reshape(-1, found.shape[-1])
    return np.asarray(flat.T @ flat / len(found))


def softmax_covariances(
    jacobians: ArrayLike, logits: ArrayLike, labels: ArrayLike, sigma: ArrayLike
) -> Covariances:
    """The covariances of cross-entropies l_i whose logits are linear in w ~ N(w*, Sigma), to second
    order in w - w*.

        (J_i^T e_i)^T Sigma (J_j^T e_j)  and  (1/2) tr(S_i B_ij S_j B_ij^T),  B_ij = J_i Sigma J_j^T

    jacobians  J_i, (sample, class, d), with logits (sample, class) and labels (sample,), at w*
    sigma      (d, d), as of `local_influence.posterior_covariance` with `gauss_newton`
    """
    s = np.asarray(sigma, dtype=np.float64)
    slopes = gradients(jacobians, logits, labels)
    curved = factors(jacobians, logits)
    samples, classes, d = curved.shape
    flat = curved.reshape(-1, d)
    joint = (flat @ s @ flat.T).reshape(samples, classes, samples, classes)
    return Covariances(slopes @ s @ slopes.T, np.einsum("ikjl,ikjl->ij", joint, joint) / 2)

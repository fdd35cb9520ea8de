"""Covariances of losses under a Gaussian local posterior, in closed form."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def posterior_covariance(
    hessian: ArrayLike, *, nbeta: float, localization: float, epsilon: float = 0.0
) -> Array:
    """Sigma = P^-1 (I - epsilon P / 4)^-1 with P = n beta H + gamma I, (d, d).

    What full-batch SGLD with step epsilon samples on a quadratic loss; epsilon = 0 is the
    posterior itself. Needs P > 0 and epsilon lambda_max(P) < 4, else ValueError.
    """
    found = np.asarray(hessian, dtype=np.float64)
    values, vectors = np.linalg.eigh(found)
    precisions = nbeta * values + localization
    if precisions[0] <= 0:
        raise ValueError(
            f"n beta H + gamma I has the eigenvalue {precisions[0]:.3g}: no local Gaussian there"
        )
    if epsilon * precisions[-1] >= 4:
        raise ValueError(f"epsilon {epsilon} times the largest precision {precisions[-1]:.3g} >= 4")
    scale = 1 / (precisions * (1 - epsilon * precisions / 4))
    return np.asarray((vectors * scale) @ vectors.T)


def quadratic_covariance(gradients: ArrayLike, hessians: ArrayLike, sigma: ArrayLike) -> Array:
    """Cov(l_i, l_j) = b_i^T Sigma b_j + (1/2) tr(H_i Sigma H_j Sigma), (sample, sample).

    Exact for losses l_i = c_i + b_i.u + (1/2) u^T H_i u with u ~ N(0, Sigma).

    gradients  b_i, (sample, d), at the mean of u
    hessians   H_i, (sample, d, d)
    """
    b, s = np.asarray(gradients, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    turned = np.asarray(hessians, dtype=np.float64) @ s
    first = b @ s @ b.T
    second = turned.reshape(len(b), -1) @ turned.transpose(0, 2, 1).reshape(len(b), -1).T / 2
    return np.asarray(first + second)


def factored_covariance(
    gradients: ArrayLike, factors: ArrayLike, core: ArrayLike, sigma: ArrayLike
) -> Array:
    """`quadratic_covariance` of Hessians H_i = U_i C U_i^T of low rank, (sample, sample).

        tr(H_i Sigma H_j Sigma) = tr(C G_ij C G_ij^T),   G_ij = U_i^T Sigma U_j

    factors  U_i, (sample, d, r)
    core     C, (r, r), symmetric
    """
    b, u = np.asarray(gradients, dtype=np.float64), np.asarray(factors, dtype=np.float64)
    s, c = np.asarray(sigma, dtype=np.float64), np.asarray(core, dtype=np.float64)
    samples, _, rank = u.shape
    beside = np.concatenate(u, axis=1)
    between = (beside.T @ (s @ beside)).reshape(samples, rank, samples, rank).transpose(0, 2, 1, 3)
    second = ((c @ between @ c) * between).sum((2, 3)) / 2
    return np.asarray(b @ s @ b.T + second)


def regression_covariance(inputs: ArrayLike, residuals: ArrayLike, sigma: ArrayLike) -> Array:
    """`quadratic_covariance` of l_i = (y_i - x_i.w)^2 / 2 at least squares, (sample, sample).

        Cov(l_i, l_j) = r_i r_j C_ij + C_ij^2 / 2,   C_ij = x_i^T Sigma x_j

    inputs     x_i, (sample, d)
    residuals  r_i = y_i - x_i.w*, (sample,)
    """
    x, r = np.asarray(inputs, dtype=np.float64), np.asarray(residuals, dtype=np.float64)
    joint = x @ np.asarray(sigma, dtype=np.float64) @ x.T
    return np.asarray(np.outer(r, r) * joint + joint**2 / 2)


def damped_influence(gradients: ArrayLike, hessian: ArrayLike, damping: float) -> Array:
    """g_i^T (H + lambda I)^-1 g_j, (sample, sample): the classical influence function, damped.

    n beta times the first term of `quadratic_covariance` at lambda = gamma / (n beta).
    """
    g, h = np.asarray(gradients, dtype=np.float64), np.asarray(hessian, dtype=np.float64)
    return np.asarray(g @ np.linalg.solve(h + damping * np.eye(len(h)), g.T))

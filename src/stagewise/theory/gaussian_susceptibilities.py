"""Susceptibilities of losses under a Gaussian local posterior, in closed form (2504.18274).

Losses l_z = const - b_z.u + (1/2) u^T B_z u about w*, with mean L = const + (1/2) u^T H u, and a
Gaussian u of mean 0: everything odd in u drops out. D_z = B_z - H, (sample, d, d), is what
l_z - L curves by. Of a component, all matrices are its blocks, and Sigma is the covariance of the
posterior restricted to it, H_CC Sigma_C being blocks of H and not of Sigma.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stagewise.theory.local_influence import posterior_covariance
from stagewise.theory.reweighted_regression import expected_losses

Array = NDArray[np.float64]


def rise(hessian: ArrayLike, sigma: ArrayLike) -> float:
    """E[g] = (1/2) tr(H Sigma), nats, with g = L - L(w*)."""
    found = np.asarray(hessian, dtype=np.float64)
    return float(np.einsum("ij,ji->", found, np.asarray(sigma, dtype=np.float64)) / 2)


def shifts(deviations: ArrayLike, sigma: ArrayLike) -> Array:
    """E[l_z - L] - (l_z - L)(w*) = (1/2) tr(D_z Sigma), (sample,), nats.

    Of the posterior of all weights this is the fragility of a sample.
    """
    d = np.asarray(deviations, dtype=np.float64)
    return np.asarray(np.einsum("zij,ji->z", d, np.asarray(sigma, dtype=np.float64)) / 2)


def restricted(hessian: ArrayLike, deviations: ArrayLike, sigma: ArrayLike) -> Array:
    """-Cov[g, l_z - L] = -(1/2) tr(H Sigma D_z Sigma), (sample,), nats squared."""
    s = np.asarray(sigma, dtype=np.float64)
    return -shifts(deviations, s @ np.asarray(hessian, dtype=np.float64) @ s)


def two_chain(restricted: ArrayLike, rise: float, shifts: ArrayLike, whole: ArrayLike) -> Array:
    """-(E_C[g (l_z - L)] - E_C[g] E_full[l_z - L]), (sample,), nats squared.

    The restricted susceptibility and E_C[g] times how much further l_z - L moves where all weights
    do (`whole`) than where those of the component do (`shifts`).
    """
    apart = np.asarray(whole, dtype=np.float64) - np.asarray(shifts, dtype=np.float64)
    return np.asarray(restricted, dtype=np.float64) + rise * apart


def coupled(
    hessian: ArrayLike,
    deviations: ArrayLike,
    *,
    nbetas: Sequence[float],
    localization: float,
    epsilon: float = 0.0,
) -> Array:
    """(E[l_z - L] at n beta_2 less that at n beta_1) / (n beta_2 - n beta_1), (sample,).

    The limit of chains at two temperatures that have their noise in common. Towards equal
    temperatures and epsilon = 0 it is `restricted`; at a finite step the derivative of a precision
    p (1 - epsilon p / 4) has a factor 1 - epsilon p / 2 that the covariance has not.
    """
    low, high = (
        shifts(
            deviations,
            posterior_covariance(hessian, nbeta=nbeta, localization=localization, epsilon=epsilon),
        )
        for nbeta in nbetas
    )
    return np.asarray((high - low) / (nbetas[1] - nbetas[0]))


def rise_under_field(
    inputs: ArrayLike,
    residuals: ArrayLike,
    probe: ArrayLike,
    field: float,
    *,
    nbeta: float,
    localization: float,
) -> float:
    """<g>_h, nats: of l_z = (r_z - x_z.u)^2 / 2, with the posterior of (1 - h) q + h q'.

    L and g remain those of q, the even distribution of the samples; q' is `probe`, weights of the
    samples that sum to 1. Its derivative by h at 0 over n beta is the sum of q'_z times
    `restricted`.

    inputs     x_z, (sample, d), of the weights that are sampled
    residuals  r_z at w*, (sample,), with sum_z r_z x_z = 0
    """
    x, r = np.asarray(inputs, dtype=np.float64), np.asarray(residuals, dtype=np.float64)
    weights = 1 - field + field * len(x) * np.asarray(probe, dtype=np.float64)
    found = expected_losses(
        x, r, np.zeros(x.shape[1]), weights, nbeta=nbeta, localization=localization
    )
    return float(found.mean() - np.square(r).mean() / 2)

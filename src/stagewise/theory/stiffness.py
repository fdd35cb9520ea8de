"""How stiff a singular potential is where its posterior has mass: the unit of a step size.

At a singular minimum the Hessian vanishes, yet a chain meets large second derivatives as soon
as it moves along the zero set. A quantile of the largest second derivative under the exact
posterior is what the step size of a Langevin sampler has to respect.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaincinv


def monomial_stiffness(
    k: Sequence[int],
    h: Sequence[int],
    *,
    n_beta: float,
    localization: float,
    quantile: float = 0.99,
    points: int = 600,
) -> float:
    """Quantile of the largest eigenvalue of the Hessian of K = w_1^(2 k_1) w_2^(2 k_2).

    Under the posterior proportional to |w_1|^h_1 |w_2|^h_2 exp(-n beta K - (gamma/2) |w|^2), on
    a grid in log w; relative error a few per cent, for a number that only sets a step size.
    In units of K per squared parameter; for K times a scale s give n_beta s and multiply by s.
    """
    reach = 8 / localization**0.5
    log_w = np.linspace(np.log(1e-6), 0, points) + np.log(reach)
    w = np.exp(log_w)
    (k1, k2), (h1, h2) = k, h
    a, b = w[:, None], w
    energy = n_beta * a ** (2 * k1) * b ** (2 * k2)
    log_weight = (h1 + 1) * log_w[:, None] + (h2 + 1) * log_w - energy
    log_weight = log_weight - localization / 2 * (a**2 + b**2)
    # K_11 = 2 k_1 (2 k_1 - 1) K / w_1^2 and so on, with the divisions carried out
    first = _second(k1, a) * b ** (2 * k2)
    second = _second(k2, b) * a ** (2 * k1)
    mixed = _first(k1, a) * _first(k2, b)
    largest = (first + second) / 2 + np.hypot((first - second) / 2, mixed)
    return _quantile(largest.ravel(), np.exp(log_weight - log_weight.max()).ravel(), quantile)


def sum_stiffness(powers: Sequence[int], *, n_beta: float, quantile: float = 0.99) -> float:
    """Largest over i of the quantile of p_i (p_i - 1) |w_i|^(p_i - 2), for K = sum_i |w_i|^(p_i).

    Without tether n beta |w_i|^(p_i) has a Gamma(1 / p_i) distribution; a tether only narrows
    it. Units as for `monomial_stiffness`; p_i >= 2.
    """
    found = []
    for p in powers:
        widest = (gammaincinv(1 / p, quantile) / n_beta) ** (1 / p)
        found.append(p * (p - 1) * widest ** (p - 2))
    return float(max(found))


def _first(k: int, w: np.ndarray) -> np.ndarray:
    """Derivative of w^(2 k)."""
    return 2 * k * w ** (2 * k - 1) if k else np.zeros_like(w)


def _second(k: int, w: np.ndarray) -> np.ndarray:
    """Second derivative of w^(2 k)."""
    return 2 * k * (2 * k - 1) * w ** (2 * k - 2) if k else np.zeros_like(w)


def _quantile(values: np.ndarray, weights: np.ndarray, quantile: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, quantile * cumulative[-1])])

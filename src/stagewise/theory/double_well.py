"""Two phases of one posterior: covariances within them and between them, by quadrature."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Mixture(NamedTuple):
    """The covariance of two losses under a posterior of two phases U and V."""

    share: float
    """pi_U, the probability of the phase below the barrier."""
    total: float
    """Cov(l_1, l_2)"""
    within: float
    """pi_U Cov_U + pi_V Cov_V"""
    between: float
    """pi_U pi_V (mu_1U - mu_1V)(mu_2U - mu_2V)"""


def losses(w: ArrayLike, *, tilt: float = 0.05, stiffness: float = 0.5) -> tuple[Array, Array]:
    """l_1 = (w^2 - 1)^2 / 4 + c w with wells at -1 and 1, and l_2 = a (w - 1)^2 / 2 with one."""
    x = np.asarray(w, dtype=np.float64)
    return (x**2 - 1) ** 2 / 4 + tilt * x, stiffness * (x - 1) ** 2 / 2


def mixture(r: float, *, nbeta: float, points: int = 20001, reach: float = 4.0) -> Mixture:
    """Moments of the two losses under exp(-n beta [(1 - r) l_1 + r l_2]), on a grid.

    Phases lie on the two sides of the potential's barrier, or, where it has none, of 0. The law of
    total covariance makes total = within + between (Lee et al. 2025, 2510.12071).
    """
    w = np.linspace(-reach, reach, points)
    first, second = losses(w)
    potential = nbeta * ((1 - r) * first + r * second)
    weights = np.exp(potential.min() - potential)
    weights /= weights.sum()
    middle = _barrier(w, potential)
    sides = [w < middle, w >= middle]

    def moments(keep: NDArray[np.bool_]) -> tuple[float, float, float, float]:
        mass = float(weights[keep].sum())
        p = weights[keep] / mass
        one, two = float(p @ first[keep]), float(p @ second[keep])
        return mass, one, two, float(p @ ((first[keep] - one) * (second[keep] - two)))

    (u, u1, u2, in_u), (v, v1, v2, in_v) = (moments(side) for side in sides)
    total = moments(np.ones_like(w, dtype=bool))[3]
    return Mixture(u, total, u * in_u + v * in_v, u * v * (u1 - v1) * (u2 - v2))


def _barrier(w: Array, potential: Array) -> float:
    inner = (potential[1:-1] > potential[:-2]) & (potential[1:-1] >= potential[2:])
    found = np.flatnonzero(inner)
    return float(w[1 + found[0]]) if len(found) else 0.0

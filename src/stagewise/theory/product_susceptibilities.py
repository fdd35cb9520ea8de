"""Susceptibilities of the model y = u c x, whose minima are two crossing lines, by integration.

    L = u^2 c^2 / 2,   l_z - L = (u^2 c^2 / 2) (x_z^2 - 1) - u c x_z y_z   up to constants

for data with mean x^2 = 1 and sum x_z y_z = 0, and the posterior
exp(-n beta L - (gamma/2) |w - w*|^2) about w* = (u*, c*). Restricted to one of the two weights it
is Gaussian; of both it is not (2504.18274; the potential w1^2 w2^2 of Watanabe 2009).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTHS = 12.0
"""Standard deviations of the tether that the outer integral reaches to either side."""
NODES = 40001
"""Of the trapezoidal rule, which converges faster than any power on an analytic integrand that
has vanished at both ends."""


@dataclass(frozen=True)
class Posterior:
    """A local posterior of the product."""

    centre: tuple[float, float]
    """(u*, c*)"""
    nbeta: float
    localization: float

    def __post_init__(self) -> None:
        if self.localization <= 0:
            raise ValueError(f"localization: must be positive, got {self.localization}")


@dataclass(frozen=True)
class Moments:
    """Of one posterior, restricted or not."""

    evidence: float
    """Z, without the normalisation of the tether."""
    product: float
    """E[u c]"""
    square: float
    """E[u^2 c^2]"""
    fourth: float
    """E[u^4 c^4]"""
    third: float
    """E[u^3 c^3]"""


@dataclass(frozen=True)
class Field:
    """A loss added to n beta L: n beta h ((u^2 c^2 / 2) curvature - u c slope)."""

    strength: float = 0.0
    """h"""
    curvature: float = 0.0
    """x^2 - 1 of the sample whose weight grows."""
    slope: float = 0.0
    """x y of it."""


NONE = Field()


def whole(posterior: Posterior, field: Field = NONE) -> Moments:
    """Both weights sampled: c is integrated exactly, u by the trapezoidal rule."""
    u_star, c_star = posterior.centre
    gamma = posterior.localization
    half = WIDTHS / gamma**0.5
    u = np.linspace(u_star - half, u_star + half, NODES)
    evidence, moments = _gaussian(u, c_star, posterior, field)
    weights = evidence * np.exp(-gamma / 2 * (u - u_star) ** 2) * (u[1] - u[0])
    return _moments(float(weights.sum()), weights / weights.sum(), moments)


def restricted(posterior: Posterior, component: Literal["u", "c"], field: Field = NONE) -> Moments:
    """One weight sampled, the other at its place in w*."""
    u_star, c_star = posterior.centre
    held, centre = (u_star, c_star) if component == "c" else (c_star, u_star)
    evidence, moments = _gaussian(np.array([held]), centre, posterior, field)
    return _moments(float(evidence[0]), np.ones(1), moments)


def rise(posterior: Posterior, moments: Moments) -> float:
    """E[g] = E[u^2 c^2] / 2 - u*^2 c*^2 / 2, nats."""
    return moments.square / 2 - _at_centre(posterior)[1] / 2


def shifts(posterior: Posterior, moments: Moments, x: Array, y: Array) -> Array:
    """E[l_z - L] less its value at w*, (sample,), nats."""
    product, square = _at_centre(posterior)
    return (x**2 - 1) * (moments.square - square) / 2 - x * y * (moments.product - product)


def restricted_susceptibility(
    posterior: Posterior, component: Literal["u", "c"], x: Array, y: Array
) -> Array:
    """-Cov_C[g, l_z - L], (sample,), nats squared."""
    found = restricted(posterior, component)
    spread = found.fourth - found.square**2
    mixed = found.third - found.square * found.product
    return -(x**2 - 1) * spread / 4 + x * y * mixed / 2


def two_chain_susceptibility(
    posterior: Posterior, component: Literal["u", "c"], x: Array, y: Array
) -> Array:
    """-(E_C[g (l_z - L)] - E_C[g] E_full[l_z - L]), (sample,), nats squared."""
    of = restricted(posterior, component)
    further = shifts(posterior, whole(posterior), x, y) - shifts(posterior, of, x, y)
    return restricted_susceptibility(posterior, component, x, y) + rise(posterior, of) * further


def population_susceptibility(
    posterior: Posterior, component: Literal["u", "c"], x: Array, y: Array
) -> Array:
    """(Z_C / Z_full) times the two-chain susceptibility, (sample,): the derivative of
    `observable` by the field over n beta, its factor included."""
    share = restricted(posterior, component).evidence / whole(posterior).evidence
    return share * two_chain_susceptibility(posterior, component, x, y)


def observable(posterior: Posterior, component: Literal["u", "c"], field: Field) -> float:
    """<phi_C>_h with phi_C = delta(the other weight - its place in w*) g, under a field."""
    of = restricted(posterior, component, field)
    return of.evidence / whole(posterior, field).evidence * rise(posterior, of)


def _gaussian(
    held: Array, centre: float, posterior: Posterior, field: Field
) -> tuple[Array, tuple[Array, ...]]:
    """Integral over one weight v, the other held at each of some places, and E[(held v)^k],
    k = 1, ..., 4."""
    gamma, nbeta = posterior.localization, posterior.nbeta
    precision = nbeta * (1 + field.strength * field.curvature) * held**2 + gamma
    mean = (gamma * centre + nbeta * field.strength * field.slope * held) / precision
    evidence = np.sqrt(2 * np.pi / precision) * np.exp(
        precision * mean**2 / 2 - gamma * centre**2 / 2
    )
    variance = 1 / precision
    powers = (
        mean,
        mean**2 + variance,
        mean**3 + 3 * mean * variance,
        mean**4 + 6 * mean**2 * variance + 3 * variance**2,
    )
    return evidence, tuple(held ** (k + 1) * power for k, power in enumerate(powers))


def _moments(evidence: float, weights: Array, moments: tuple[Array, ...]) -> Moments:
    product, square, third, fourth = (float(weights @ moment) for moment in moments)
    return Moments(evidence, product, square, fourth, third)


def _at_centre(posterior: Posterior) -> tuple[float, float]:
    product = posterior.centre[0] * posterior.centre[1]
    return product, product**2

"""Normal-crossing and sum-type potentials: exact coefficients and exact finite-n excess losses.

An excess is n beta E[K] under the tethered posterior

    p(w) proportional to phi(w) exp(-n beta K(w) - (gamma / 2) |w - w*|^2),

what the estimator of Lau et al. (2023, arXiv 2308.12108) converges to with exact sampling at
that n beta and gamma. It is dimensionless and tends to the learning coefficient as n beta grows,
with corrections of relative order 1 / log(n beta) where the multiplicity exceeds 1.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from stagewise.theory.aoyagi import LearningCoefficient

_FOLDS_KEPT = 40.0
"""Integrands are cut where they have fallen to exp(-40) of the integral."""


def monomial_coefficient(k: Sequence[int], h: Sequence[int]) -> LearningCoefficient:
    """Exact learning coefficient of K = prod_j w_j^(2 k_j) under a prior prod_j |w_j|^(h_j).

        lambda = min_j (h_j + 1) / (2 k_j),   m = number of j attaining the minimum

    over the coordinates with k_j > 0 (Watanabe; Lau et al., 2023).
    """
    if len(k) != len(h):
        raise ValueError(f"k and h must have one entry a coordinate, got {list(k)} and {list(h)}")
    if min([*k, *h], default=0) < 0:
        raise ValueError(f"exponents must not be negative, got k = {list(k)}, h = {list(h)}")
    ratios = [Fraction(hj + 1, 2 * kj) for kj, hj in zip(k, h, strict=True) if kj > 0]
    if not ratios:
        raise ValueError("K is constant: at least one k_j must be positive")
    return LearningCoefficient(value=min(ratios), multiplicity=ratios.count(min(ratios)))


def sum_coefficient(powers: Sequence[int]) -> Fraction:
    """Exact learning coefficient of K = sum_i |w_i|^(p_i): the sum of 1 / p_i, multiplicity 1."""
    _check_powers(powers)
    return sum((Fraction(1, p) for p in powers), Fraction(0))


def monomial_excess(
    k: Sequence[int], h: Sequence[int], *, n_beta: float, localization: float, scale: float = 1.0
) -> float:
    """n beta E[K] of a monomial in two parameters, tethered at the origin.

        K(w) = scale w_1^(2 k_1) w_2^(2 k_2),   phi(w) = |w_1|^(h_1) |w_2|^(h_2)

    On w > 0, by symmetry, in t = log(sqrt(gamma) w). There the integrand is smooth and decays
    at both ends, so the trapezoidal rule converges exponentially. Only
    n beta scale gamma^(-k_1 - k_2) matters. Relative error below 1e-8 (measured; k, h up to 6,
    n beta up to 1e10).

    n_beta        n beta > 0
    localization  gamma > 0; without a tether this posterior cannot be normalised
    scale         > 0
    """
    target = monomial_coefficient(k, h)
    if len(k) != 2:
        raise ValueError(f"two coordinates expected, got {len(k)}")
    _check_positive(n_beta=n_beta, localization=localization, scale=scale)
    log_n = float(np.log(n_beta) + np.log(scale) - sum(k) * np.log(localization))
    # the normaliser is about N^-lambda, and the mass below t at most exp((h + 1) t)
    depth = _FOLDS_KEPT + float(target.value) * max(log_n, 0.0)
    axes = [_log_axis(-depth / (hj + 1), np.log(18.0), 2 * kj) for kj, hj in zip(k, h, strict=True)]
    (t1, t2), (k1, k2), (h1, h2) = axes, k, h
    # log of the rest of the integrand, with the Jacobian w_1 w_2, one axis each
    rest1 = (h1 + 1) * t1 - np.exp(2 * t1) / 2
    rest2 = (h2 + 1) * t2 - np.exp(2 * t2) / 2
    log_energy = log_n + 2 * k1 * t1[:, None] + 2 * k2 * t2
    return _mean_energy(log_energy, rest1[:, None] + rest2)


def sum_excess(
    powers: Sequence[int],
    *,
    n_beta: float,
    localization: float,
    scales: Sequence[float] | None = None,
) -> float:
    """n beta E[K] of a sum of powers, tethered at the origin.

        K(w) = sum_i s_i |w_i|^(p_i)

    The posterior is a product, so this is a sum of one-dimensional integrals, each by the
    trapezoidal rule in log w. Without tether it equals sum_i 1 / p_i at every n beta
    (rescaling w_i removes n beta s_i), and with one it is smaller.

    n_beta        n beta > 0
    localization  gamma >= 0
    scales        s_i > 0, all 1 by default
    """
    _check_powers(powers)
    scales = [1.0] * len(powers) if scales is None else scales
    if len(scales) != len(powers):
        raise ValueError(f"{len(powers)} powers but {len(scales)} scales")
    for s in scales:
        _check_positive(n_beta=n_beta, scale=s)
    if localization < 0:
        raise ValueError(f"localization must not be negative, got {localization}")
    total = 0.0
    for p, s in zip(powers, scales, strict=True):
        # in units of the narrower of the two widths, one of the two terms has factor 1
        log_a = float(np.log(n_beta) + np.log(s))
        log_g = float(np.log(localization)) if localization > 0 else -np.inf
        log_unit = min(-log_a / p, -log_g / 2)
        log_a, log_g = log_a + p * log_unit, log_g + 2 * log_unit
        t = _log_axis(-_FOLDS_KEPT, max(3.0, 6.0 / p), p)
        total += _mean_energy(log_a + p * t, t - np.exp(log_g + 2 * t) / 2)
    return total


def two_component_excess(
    k1: int,
    k2: int,
    *,
    n_beta: float,
    localization: float,
    centre: tuple[float, float],
    scale: float = 1.0,
) -> float:
    """n beta E[K] of a potential with two zero components, tethered at a given centre.

        K(w) = scale [ (w_1 - 1)^(k_1) (w_1^2 + w_2^2)^(k_2) ]^2

    vanishes on the line w_1 = 1, with coefficient 1 / (2 k_1) there, and at the origin, with
    coefficient 2 / (4 k_2) = 1 / (2 k_2) (Lau et al., 2023, two-component example). The number
    is that of the whole tethered posterior: both components contribute, whichever the centre is
    on, unless the tether is strong enough to confine the posterior to one of them. A chain
    that does not cross between them samples something else.

    Composite Gauss-Legendre quadrature on a product grid whose panels shrink geometrically
    towards w_1 = 0 and 1, w_2 = 0 and the centre, down to below the narrowest feature.
    Relative error below 1e-7 (measured, n beta up to 1e8).

    n_beta        n beta > 0
    localization  gamma > 0
    centre        w*, on either component or elsewhere
    scale         > 0
    """
    if k1 < 1 or k2 < 1:
        raise ValueError(f"k1 and k2 must be positive, got {k1} and {k2}")
    _check_positive(n_beta=n_beta, localization=localization, scale=scale)
    a, gamma = n_beta * scale, localization
    # nothing is farther out than the nearest zero of K by more than 12 tether widths
    reach = min(np.hypot(*centre), abs(centre[0] - 1)) + 12 / gamma**0.5
    farthest = np.hypot(*centre) + 2 * reach + 1
    on_line = (a * farthest ** (4 * k2)) ** (-1 / (2 * k1))
    at_origin = (a * (farthest + 1) ** (2 * k1)) ** (-1 / (4 * k2))
    finest = 0.05 * min(1.0, on_line, at_origin, gamma**-0.5)
    # u = w_1 - 1, so that the line is at the one number around which floats are dense
    u0, y0 = centre[0] - 1, centre[1]
    u, log_du = _graded_axis((-1.0, 0.0, u0), u0 - reach, u0 + reach, finest)
    y, log_dy = _graded_axis((0.0, y0), y0 - reach, y0 + reach, finest)
    log_line = np.log(a) + 2 * k1 * np.log(np.abs(u))
    tether_u = log_du - gamma / 2 * (u - u0) ** 2
    tether_y = log_dy - gamma / 2 * (y - y0) ** 2
    parts = []
    for rows in np.array_split(np.arange(len(u)), 1 + len(u) * len(y) // 2_000_000):
        log_radius = np.log((1 + u[rows, None]) ** 2 + y**2)
        log_energy = log_line[rows, None] + 2 * k2 * log_radius
        parts.append(_energy_sums(log_energy, tether_u[rows, None] + tether_y))
    shift = max(peak for peak, _, _ in parts)
    mass = sum(m * np.exp(peak - shift) for peak, m, _ in parts)
    return float(sum(e * np.exp(peak - shift) for peak, _, e in parts) / mass)


def _mean_energy(log_energy: np.ndarray, log_rest: np.ndarray) -> float:
    """Mean of E = exp(log_energy) under weights exp(log_rest - E)."""
    _, mass, energy = _energy_sums(log_energy, log_rest)
    return energy / mass


def _energy_sums(log_energy: np.ndarray, log_rest: np.ndarray) -> tuple[float, float, float]:
    """Log of the largest weight, and in its units the sum of weights and of weight times E."""
    energy = np.exp(np.minimum(log_energy, 700.0))  # beyond, the weight is 0 all the same
    log_weight = log_rest - energy
    peak = float(log_weight.max())
    weight = np.exp(log_weight - peak)
    return peak, float(weight.sum()), float(np.vdot(weight, energy))


def _log_axis(low: float, high: float, power: int) -> np.ndarray:
    """Points t = log w for the trapezoidal rule on exp(-w^power) and exp(-w^2 / 2).

    Both are analytic and bounded for |Im t| < pi / (2 p), p the larger power, so a step s has
    error exp(-pi^2 / (p s)): 1e-13 with s = pi^2 / (30 p).
    """
    step = np.pi**2 / (30 * max(power, 2))
    return np.arange(low, high + step, step)


def _graded_axis(
    special: Sequence[float], low: float, high: float, finest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and log weights of panels shrinking geometrically to `finest` at special points."""
    halvings = int(np.ceil(np.log2((high - low) / finest))) + 1
    offsets = (high - low) * 2.0 ** (-np.arange(2 * halvings + 1) / 2)
    edges = np.concatenate([[low, high], *([p, *(p - offsets), *(p + offsets)] for p in special)])
    edges = np.unique(edges[(edges >= low) & (edges <= high)])
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-3 * finest])]
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    points = (edges[:-1, None] + half * (nodes + 1)).ravel()
    return points, np.log((half * weights).ravel())


def _check_powers(powers: Sequence[int]) -> None:
    if not powers or min(powers) < 1:
        raise ValueError(f"powers must be positive, got {list(powers)}")


def _check_positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")

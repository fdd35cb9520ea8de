"""What Langevin sampling with a finite step gives on a quadratic, in closed form."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar


def sgld_variance(precision: float, epsilon: float) -> float:
    """Stationary variance of one coordinate of unadjusted Langevin sampling on a Gaussian.

    The recursion w <- w - (epsilon / 2) p w + N(0, epsilon), with exact gradients, has

        Var(w) = 1 / [ p (1 - epsilon p / 4) ]

    above the variance 1 / p of the target it discretises, which epsilon = 0 returns.

    precision  p > 0, of the target: n beta h + gamma for a loss of curvature h
    epsilon    step size, with epsilon p < 4; at 4 the recursion stops contracting
    """
    _check(precision, epsilon)
    return 1 / (precision * (1 - epsilon * precision / 4))


def sghmc_variance(precision: float, epsilon: float, friction: float) -> float:
    """Stationary variance of one coordinate of SGHMC on a Gaussian, with exact gradients.

    p <- (1 - alpha) p - h P w + N(0, 2 alpha h),  w <- w + p,  h = epsilon / 2, makes w an
    autoregression of order two, with

        Var(w) = 1 / [ P (1 - epsilon P / (4 (2 - alpha))) ]

    which at alpha = 1 is `sgld_variance`.

    precision  P > 0, of the target: n beta h + gamma for a loss of curvature h
    epsilon    step size, epsilon P < 4 (2 - alpha)
    friction   alpha, above 0 and at most 1
    """
    if not 0 < friction <= 1:
        raise ValueError(f"friction must be above 0 and at most 1, got {friction}")
    return sgld_variance(precision, epsilon / (2 - friction))


def sgnht_variances(
    precisions: Sequence[float], epsilon: float, friction: float
) -> NDArray[np.float64]:
    """Stationary variances of the coordinates of SGNHT on a Gaussian, with exact gradients.

    As in `sghmc_variance`, but the friction xi is the one at which the momenta of all coordinates
    have the mean variance h that the thermostat asks for, while the noise stays that of A:

        Var(p_i) = (A / xi) 4 h / (4 - 2 xi - h P_i),   mean over i = h
        Var(w_i) = (A / xi) / [ P_i (1 - h P_i / (2 (2 - xi))) ]

    Where h P_i is small that is (1 - xi / 2) / P_i: the momentum of a step lies between two
    positions, and is hotter than both. Neglects the fluctuations of xi, so it holds for many
    coordinates or small steps.

    precisions  P_i, of the target
    epsilon     step size, twice h
    friction    A
    """
    h = epsilon / 2
    stiff = h * np.asarray(precisions, dtype=float)

    def excess(xi: float) -> float:
        return float(np.mean(friction / xi * 4 / (4 - 2 * xi - stiff)) - 1)

    # between no friction, where momenta boil, and the friction at which the stiffest one diverges
    top = 2 - stiff.max() / 2
    least = minimize_scalar(excess, bounds=(1e-12, top), method="bounded").x
    xi = brentq(excess, 1e-12, least)
    return friction / xi / (stiff / h * (1 - stiff / (2 * (2 - xi))))


def gaussian_excess(
    curvatures: Iterable[float], *, n_beta: float, localization: float, epsilon: float = 0.0
) -> float:
    """n beta E[L] under the tethered posterior of a quadratic loss, as sampled with a given step.

        L = (1/2) sum_i h_i w_i^2
        n beta E[L] = sum_i (n beta h_i / 2) Var(w_i),   precision p_i = n beta h_i + gamma

    the limit of the estimator of Lau et al. (2023) with a long chain started anywhere. Without
    tether and step it is half the number of nonzero curvatures.

    curvatures    h_i, eigenvalues of the Hessian of L, in nats per squared parameter
    n_beta        n beta, number of samples times inverse temperature
    localization  gamma, precision of the tether
    epsilon       step size; 0 for exact sampling
    """
    return sum(
        n_beta * h / 2 * sgld_variance(n_beta * h + localization, epsilon)
        for h in curvatures
        if h != 0
    )


def autocorrelation_time(precision: float, epsilon: float, *, of_square: bool = False) -> float:
    """Integrated autocorrelation time, in steps, of w or of w^2 in the same recursion.

        tau = 1 + 2 sum_(t >= 1) rho^t = (1 + rho) / (1 - rho)

    with rho = 1 - epsilon p / 2 for w, and its square for w^2, since w is a Gaussian
    autoregression. The mean of N consecutive draws has variance tau / N times that of one draw.

    precision, epsilon  as for `sgld_variance`, epsilon > 0
    """
    _check(precision, epsilon)
    if epsilon == 0:
        raise ValueError("epsilon must be positive: a step of 0 never forgets")
    rho = 1 - epsilon * precision / 2
    if of_square:
        rho = rho**2
    return (1 + rho) / (1 - rho)


def _check(precision: float, epsilon: float) -> None:
    if precision <= 0:
        raise ValueError(f"precision must be positive, got {precision}")
    if epsilon < 0:
        raise ValueError(f"epsilon must not be negative, got {epsilon}")
    if epsilon * precision >= 4:
        raise ValueError(
            f"epsilon = {epsilon} diverges on precision {precision}: their product is "
            f"{epsilon * precision:g} and must stay below 4"
        )

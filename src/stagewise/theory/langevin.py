"""What Langevin sampling with a finite step gives on a quadratic, in closed form."""

from collections.abc import Iterable


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

"""Refined local learning coefficients of quadratics: of a component, of other data, in closed form.

The posterior of a component v, all other weights held at w*, for the loss L' of any data,

    p(v) ~ exp(-n beta L'(v) - (gamma / 2) |v - v*|^2)

(Wang et al. 2024, 2410.02984). On a quadratic L' = g.d + d.H d / 2, d = v - v*, it is Gaussian.

Restriction can only lower the coefficient (H >= 0, g = 0): the eigenvalues of a principal block
interlace those of H, and x / (x + gamma) rises with x. So a head is below its layer and a layer
below all weights; for learning coefficients themselves the restriction of an analytic function to
a subspace has the smaller log canonical threshold. And since x / (x + gamma) is concave, the
coefficient of a union is at most the sum of those of its parts: a positive `interaction` is no
feature of a quadratic.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stagewise.theory.langevin import gaussian_excess


class RefinedLLC(NamedTuple):
    """n beta (E[L'] - L'(w*)) in its two parts."""

    fluctuation: float
    """Of the spread around the posterior's mean: the coefficient proper."""
    drift: float
    """Of the mean's own way down the gradient: 0 at critical points, else negative."""

    @property
    def total(self) -> float:
        """What the estimator returns."""
        return self.fluctuation + self.drift


def refined_llc(
    hessian: ArrayLike,
    *,
    n_beta: float,
    localization: float,
    gradient: ArrayLike | None = None,
    component: ArrayLike | None = None,
    epsilon: float = 0.0,
) -> RefinedLLC:
    """The estimate of a long chain on a quadratic, restricted to a component.

        fluctuation = (1/2) tr [n beta H (n beta H + gamma)^-1]
        drift       = n beta (-g.m + m.H m / 2),   m = n beta (n beta H + gamma)^-1 g

    With a finite step of SGLD with exact gradients each eigenvalue h of the first has the factor
    1 / (1 - epsilon (n beta h + gamma) / 4); the mean, and so the drift, are what they were.

    hessian    H (d, d) of L' at w*, nats per squared weight; n beta H + gamma must be positive
    gradient   g (d,), by default 0
    component  places of the coordinates that are sampled; by default all
    epsilon    step size
    """
    whole = np.asarray(hessian, dtype=float)
    places = np.arange(len(whole)) if component is None else np.asarray(component)
    block = whole[np.ix_(places, places)]
    fluctuation = gaussian_excess(
        np.linalg.eigvalsh(block).tolist(),
        n_beta=n_beta,
        localization=localization,
        epsilon=epsilon,
    )
    if gradient is None:
        return RefinedLLC(fluctuation, 0.0)
    slope = np.asarray(gradient, dtype=float)[places]
    moved = _moved(block, slope, n_beta, localization)
    return RefinedLLC(fluctuation, float(n_beta * (-slope @ moved + moved @ block @ moved / 2)))


def _moved(
    block: NDArray[np.float64], slope: NDArray[np.float64], n_beta: float, localization: float
) -> NDArray[np.float64]:
    """How far the posterior's mean lies down the gradient."""
    precision = n_beta * block + localization * np.eye(len(block))
    return np.asarray(n_beta * np.linalg.solve(precision, slope), dtype=float)


def largest_drift(
    gradient_norm: ArrayLike, *, n_beta: ArrayLike, localization: ArrayLike
) -> NDArray[np.float64]:
    """(n beta |g|)^2 / gamma, the most that |drift| can be where H >= 0.

    Reached where the loss is flat along g; an eigendirection with x = n beta h / gamma has
    (1 + x / 2) / (1 + x)^2 of it, half at x = 0.62. An estimate on data that w* was not trained on
    is a coefficient only where this is small beside it.

    gradient_norm         |g| over the component, nats per unit of weight
    n_beta, localization  broadcast against it
    """
    norm, strength = np.asarray(gradient_norm, dtype=float), np.asarray(n_beta, dtype=float)
    return np.asarray((strength * norm) ** 2 / np.asarray(localization, dtype=float))


def interaction(
    hessian: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    n_beta: float,
    localization: float,
) -> float:
    """Coefficient of the union of two components less the sum of theirs, at a critical point.

    0 where H has no entries between them, else negative for H >= 0; to second order in
    n beta h / gamma it is -(n beta / gamma)^2 |H_12|^2, H_12 the block between them.

    first, second  places of their coordinates, without overlap
    """
    one, other = np.asarray(first), np.asarray(second)
    both, alone, beside = (
        refined_llc(hessian, n_beta=n_beta, localization=localization, component=places).total
        for places in (np.concatenate([one, other]), one, other)
    )
    return both - alone - beside


def head_bound(width: int, size: int) -> float:
    """2 width size - size^2, the most that the coefficient of an attention head can be.

    Half its 4 width size weights, less half the 2 size^2 directions along which its function is
    exactly constant: W_Q -> W_Q A, W_K -> W_K A^-T, and the same for W_V and W_O. Without biases.
    """
    return 2.0 * width * size - size**2

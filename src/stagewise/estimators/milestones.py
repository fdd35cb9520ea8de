"""Stages of training: where a smooth fit of a curve over log steps rises, falls, or rests."""

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

START, BOUNDS = 3.0, (0.5, 1000.0)
"""Length scale of the fit in log(step + 1): where its search starts, and its bounds."""


@dataclass(frozen=True)
class Fit:
    """A Gaussian-process fit of a curve, on an even grid of log(step + 1)."""

    log_step: NDArray[Any]
    """(place,), log(step + 1)"""
    mean: NDArray[Any]
    slope: NDArray[Any]
    """Derivative of the mean by log(step + 1)."""
    slope_error: NDArray[Any]
    """Posterior standard deviation of that derivative."""
    length_scale: float

    @property
    def step(self) -> NDArray[Any]:
        """(place,)"""
        return np.expm1(self.log_step)


@dataclass(frozen=True)
class Stage:
    """What lies between two places at which the slope vanishes."""

    start: float
    """Step."""
    end: float
    """Step."""
    change: float
    """Of the fitted curve, from start to end."""

    @property
    def kind(self) -> Literal["A", "B"]:
        """A where the curve rises, B where it falls."""
        return "A" if self.change > 0 else "B"


def fit_curve(
    steps: ArrayLike,
    values: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    restarts: int = 10,
    points: int = 600,
) -> Fit:
    """The Gaussian process of largest marginal likelihood through a curve over log steps.

    Kernel: constant x RBF + white noise over x = log(step + 1), after Hoogland et al. (2402.02364).
    The slope is exact: the derivative of the kernel,

        m'(x) = - sum_i (x - x_i) / l^2 k(x, x_i) alpha_i,   K alpha = y - mean(y)

    steps, values  (checkpoint,)
    errors         (checkpoint,) standard errors of the values: known noise, to which the white
                   noise adds what they miss
    restarts       further random starts of the search, always the same ones
    points         of the grid
    """
    x, y = np.log1p(np.asarray(steps, dtype=float)), np.asarray(values, dtype=float)
    known = np.zeros(len(y)) if errors is None else np.asarray(errors, dtype=float)
    scale = float(y.std()) or 1.0
    process = GaussianProcessRegressor(
        ConstantKernel(1.0, (1e-4, 1e4)) * RBF(START, BOUNDS) + WhiteKernel(1e-2, (1e-8, 10)),
        alpha=(known / scale) ** 2 + 1e-10,
        n_restarts_optimizer=restarts,
        random_state=0,
    )
    with warnings.catch_warnings():
        # a parameter at its bound is an answer: a flat curve has no amplitude
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(x[:, None], (y - y.mean()) / scale)
    smooth = process.kernel_.k1
    length = float(smooth.k2.length_scale)
    grid = np.linspace(x[0], x[-1], points)
    kernel = smooth(grid[:, None], x[:, None])
    by_place = -(grid[:, None] - x) / length**2 * kernel
    left = np.linalg.solve(process.L_, by_place.T)
    variance = float(smooth.k1.constant_value) / length**2 - (left**2).sum(0)
    return Fit(
        log_step=grid,
        mean=y.mean() + scale * (kernel @ process.alpha_),
        slope=scale * (by_place @ process.alpha_),
        slope_error=scale * np.sqrt(np.maximum(variance, 0)),
        length_scale=length,
    )


def stages(fit: Fit, threshold: float, *, certain: float = 3.0) -> list[Stage]:
    """The stages of a fitted curve in order; a curve that is flat throughout has none.

    In a stage the slope is beyond `threshold`, with one sign, and somewhere beyond `certain` times
    its own error, so that noise seldom makes one. A boundary is where between two of them the slope
    vanishes: the place of the smallest |slope|. The first stage starts and the last one ends with
    the curve. Beside steps that are sharp for its length scale the fit swings, by some hundredths
    of them, and a swing counts as any other stage.

    threshold  of |slope|, in units of the curve per unit of log(step + 1)
    """
    moving = np.where(np.abs(fit.slope) < threshold, 0, np.sign(fit.slope))
    edges = np.flatnonzero(np.diff(moving)) + 1
    runs = [run for run in np.split(np.arange(len(moving)), edges) if moving[run[0]]]
    sure = np.abs(fit.slope) > certain * fit.slope_error
    kept = [run for run in runs if sure[run].any()]
    if not kept:
        return []
    places = [0]
    for before, after in pairwise(kept):
        between = np.arange(before[-1], after[0] + 1)
        places.append(int(between[np.abs(fit.slope[between]).argmin()]))
    places.append(len(moving) - 1)
    return [
        Stage(float(fit.step[start]), float(fit.step[end]), float(fit.mean[end] - fit.mean[start]))
        for start, end in pairwise(places)
    ]


def milestones(found: list[Stage]) -> list[float]:
    """Steps at which one stage ends and the next begins."""
    return [stage.end for stage in found[:-1]]

"""Samplers on deep linear networks with noisy labels: which step sizes are left in minibatches."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import Measured, bootstrap

SAMPLERS = ("sgld", "sghmc", "rmsprop")
GRADIENTS = {"minibatch": "", "full": "_full"}
"""Gradient -> what its inputs' names end with."""
ESTIMATES = ("gibbs", *(f"{name}{ending}" for name in SAMPLERS for ending in GRADIENTS.values()))
"""Inputs that are LLC tables of draws."""
KEYS = ["seed", "network"]
"""What tells networks apart."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Errors to exact draws of the same data with label noise, by sampler, gradient and step.

    The noise of a minibatch's gradient does not vanish at the truth. It heats a Langevin chain:
    with steps eps and B samples by about eps (n beta)^2 / (4 B) times the variance of the
    gradient of one sample, relative to the temperature of the target.

    inputs    an LLC table of each sampler with several step sizes, in minibatches and, as
              <sampler>_full, with the gradient of all data; and of `gibbs`
    table     one row per sampler, gradient, step size and network: lambda_hat, reference, error
              (relative), best (whether the step has the smallest mean absolute error of that
              sampler and gradient)
    Statistics, intervals from resampling networks:
        noisy_<gradient>_workable_<sampler>  step sizes with a mean absolute error of at most
                                             `workable`; <gradient> is minibatch or full
        noisy_<gradient>_error_<sampler>     that error at the best step
        noisy_lost_<sampler>                 workable steps with the full gradient, less those
                                             in minibatches
        noisy_swollen_<sampler>              mean of estimate / reference in minibatches, at the
                                             step that is best with the full gradient
        noisy_rmsprop_over_best_rival        in minibatches, RMSProp's error at its best step over
                                             that of the better of the others
    """
    table = _table(inputs)
    networks = table.drop_duplicates(KEYS).shape[0]
    workable = settings["workable"]

    def resampled(statistic: Callable[[NDArray[Any]], float]) -> Measured:
        return bootstrap(statistic, networks, seed=0, repeats=settings["bootstrap"])

    found = {}
    least = {}
    for sampler in SAMPLERS:
        grids = {gradient: _errors(table, sampler, gradient) for gradient in GRADIENTS}
        works = {gradient: partial(_workable, grid, workable) for gradient, grid in grids.items()}
        best = {gradient: int(grid.abs().mean().argmin()) for gradient, grid in grids.items()}
        for gradient, grid in grids.items():
            at = grid.columns[best[gradient]]
            table.loc[_rows(table, sampler, gradient) & (table.step_size == at), "best"] = True
            own = grid[at].abs().to_numpy()
            found[f"noisy_{gradient}_workable_{sampler}"] = resampled(works[gradient])
            found[f"noisy_{gradient}_error_{sampler}"] = resampled(partial(_mean, own))
            if gradient == "minibatch":
                least[sampler] = own
        found[f"noisy_lost_{sampler}"] = resampled(partial(_difference, works))
        swollen = 1 + grids["minibatch"][grids["full"].columns[best["full"]]].to_numpy()
        found[f"noisy_swollen_{sampler}"] = resampled(partial(_mean, swollen))
    rivals = [least[sampler] for sampler in SAMPLERS if sampler != "rmsprop"]
    found["noisy_rmsprop_over_best_rival"] = resampled(
        lambda rows: _mean(least["rmsprop"], rows) / min(_mean(rival, rows) for rival in rivals)
    )
    columns = ["sampler", "gradient", "step_size", *KEYS, "widths", "rank", "lambda_hat"]
    columns += ["standard_error", "reference", "reference_error", "aoyagi", "error", "best"]
    return table[[*columns, "rhat", "ess_bulk"]], found


def _table(inputs: Mapping[str, list[pd.DataFrame]]) -> pd.DataFrame:
    """All estimates beside their references; no step is the best yet."""
    reference = pd.concat(inputs["gibbs"])[[*KEYS, "lambda_hat", "standard_error"]]
    reference = reference.set_axis([*KEYS, "reference", "reference_error"], axis=1)
    parts = [
        pd.concat(inputs[f"{sampler}{ending}"]).assign(sampler=sampler, gradient=gradient)
        for sampler in SAMPLERS
        for gradient, ending in GRADIENTS.items()
    ]
    table = pd.concat(parts).merge(reference, on=KEYS, validate="many_to_one")
    return table.assign(error=table.lambda_hat / table.reference - 1, best=False)


def _rows(table: pd.DataFrame, sampler: str, gradient: str) -> pd.Series:
    return (table.sampler == sampler) & (table.gradient == gradient)


def _errors(table: pd.DataFrame, sampler: str, gradient: str) -> pd.DataFrame:
    """Relative errors, a row per network and a column per step; infinite where a chain diverged."""
    part = table[_rows(table, sampler, gradient)]
    grid = part.pivot_table(index=KEYS, columns="step_size", values="error", dropna=False)
    return grid.fillna(np.inf)


def _workable(errors: pd.DataFrame, workable: float, rows: NDArray[Any]) -> float:
    return float((np.abs(errors.to_numpy()[rows]).mean(0) <= workable).sum())


def _difference(works: Mapping[str, Callable[[NDArray[Any]], float]], rows: NDArray[Any]) -> float:
    return works["full"](rows) - works["minibatch"](rows)


def _mean(values: NDArray[Any], rows: NDArray[Any]) -> float:
    return float(values[rows].mean())

"""Claims A1 to A3 and A5: sampled kernels of linear regressions against their closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.influence import block_covariances, normalised
from stagewise.estimators.loss_kernel import across_over_within, squared_correlations
from stagewise.findings.kernels import properties, traces
from stagewise.findings.measured import Measured, doubtful, exact, mean_of, not_stationary
from stagewise.settings import build
from stagewise.testbeds import linear_regression
from stagewise.testbeds.testbed import Points
from stagewise.theory.local_influence import posterior_covariance, regression_covariance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """The testbeds' own settings, to build their data again."""

    regular: dict[str, Any]
    shared: dict[str, Any]


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Kernels of regressions with unit noise, exact and sampled.

    inputs   draws of one task with two step sizes (`regular`) and of two tasks (`shared`)
    returns  one row per number of shared features and data set: root-mean-square R across tasks
             over that within, in closed form (exact) and sampled. Statistics:
               sgld_error_small, _large   relative Frobenius error of the sampled kernel to the
                                          closed form with its step size, mean over data sets
               sgld_error_uncorrected     the same at the large step to the form of step size 0
               trace_deviation            mean over data sets of trace K - (d - sum_i h_ii^2 / 2),
                                          small step, in standard errors, absolute
               shared_none                that ratio, exact, at 0 shared features, largest
               shared_all                 the same with all features shared, mean over data sets
               shared_least_increment     least difference between successive numbers of shared
                                          features, exact, of the mean over data sets
               shared_sampled_error       largest |sampled - exact| over them and the data sets
               linear_least_eigenvalue, linear_affine_change   of all kernels (`kernels.properties`)
    """
    wanted = build(Settings, settings, "papers.loss_kernel.linear")
    regular, shared = inputs["regular"][0], inputs["shared"][0]
    points = _points(wanted.regular, regular)
    places = range(len(points))
    ways = {name: regular.isel(step_size=place) for name, place in (("small", 0), ("large", -1))}
    sampled = {name: traces(draws, "data") for name, draws in ways.items()}
    found = {
        f"sgld_error_{name}": mean_of(
            [_error(sampled[name][k], _closed(points, k, ways[name], stepped=True)) for k in places]
        )
        for name in ways
    }
    found["sgld_error_uncorrected"] = mean_of(
        [_error(sampled["large"][k], _closed(points, k, ways["large"])) for k in places]
    )
    excess = [np.trace(_kernel(sampled["small"][k])) - _expected_trace(points, k) for k in places]
    centre = mean_of(excess)
    error = np.std(excess, ddof=1) / len(excess) ** 0.5
    found["trace_deviation"] = exact(abs(centre.value) / error, len(excess))
    table, statistics, kernels = _shared(shared, _points(wanted.shared, shared))
    found |= statistics
    found |= properties("linear", [*sampled["small"], *sampled["large"], *kernels])
    doubts = {
        "sgld": not_stationary(regular.rhat.values.ravel()),
        "trace": not_stationary(regular.rhat.values.ravel()),
        "shared": not_stationary(shared.rhat.values.ravel()),
        "linear": "",
    }
    return table, {
        name: doubtful(number, doubts[name.split("_")[0]]) for name, number in found.items()
    }


def _points(model: Mapping[str, Any], draws: xr.Dataset) -> Points:
    testbed = linear_regression.build(dict(model), int(draws.attrs["seed"]))
    assert testbed.points is not None
    return testbed.points()


def _kernel(losses: Array) -> Array:
    return np.asarray(block_covariances(losses).mean(0))


def _error(losses: Array, expected: Array) -> float:
    return float(np.linalg.norm(_kernel(losses) - expected) / np.linalg.norm(expected))


def _design(points: Points, place: int) -> tuple[Array, Array]:
    """Inputs (sample, d), without weights that do not exist, and residuals (sample,)."""
    exists = points.masks["w"][place].numpy()
    x = points.constants["x"][place].numpy()
    y = points.constants["y"][place].numpy()
    return x[:, exists], y - x @ points.parameters["w"][place].numpy()


def _closed(points: Points, place: int, draws: xr.Dataset, *, stepped: bool = False) -> Array:
    x, residuals = _design(points, place)
    sigma = posterior_covariance(
        x.T @ x / len(x),
        nbeta=float(draws.nbeta[0]),
        localization=float(draws.localization),
        epsilon=float(draws.epsilon[place, 0]) if stepped else 0.0,
    )
    return regression_covariance(x, residuals, sigma)


def _expected_trace(points: Points, place: int) -> float:
    """d - sum_i h_ii^2 / 2, of the hat matrix h: the mean over the noise at n beta = n."""
    x, _ = _design(points, place)
    leverage = np.einsum("id,id->i", x @ np.linalg.inv(x.T @ x), x)
    return float(x.shape[1] - np.square(leverage).sum() / 2)


def _shared(
    draws: xr.Dataset, points: Points
) -> tuple[pd.DataFrame, dict[str, Measured], list[Array]]:
    kernels, rows = traces(draws, "data"), []
    for place, losses in enumerate(kernels):
        task = np.arange(losses.shape[-1]) * 2 // losses.shape[-1]
        squares = np.square(normalised(_closed(points, place, draws)))
        sampled = squared_correlations(block_covariances(losses))
        rows.append(
            {
                **points.index.iloc[place][["shared", "data_set"]].to_dict(),
                "exact": across_over_within(squares, task),
                "sampled": across_over_within(sampled, task),
            }
        )
    table = pd.DataFrame(rows)
    curve = table.groupby("shared")["exact"].mean()
    last = table[table["shared"] == table["shared"].max()]
    data_sets = table["data_set"].nunique()
    return (
        table,
        {
            "shared_none": exact(table.loc[table["shared"] == 0, "exact"].max(), data_sets),
            "shared_all": mean_of(last["exact"]),
            "shared_least_increment": exact(curve.diff().min(), data_sets),
            "shared_sampled_error": exact(
                (table["sampled"] - table["exact"]).abs().max(), len(table)
            ),
        },
        kernels,
    )

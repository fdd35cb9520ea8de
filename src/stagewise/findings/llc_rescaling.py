"""Claim C4: a function-preserving rescaling changes the Hessian trace and not the LLC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.engine.stationarity import STATIONARY_RHAT
from stagewise.estimators.llc import llc_table
from stagewise.findings.measured import Measured, bootstrap, exact
from stagewise.settings import build

SAMPLINGS = ("hmc", "tethered", "sgld")


@dataclass(frozen=True)
class Settings:
    """Of the uncertainty."""

    repeats: int = 1000
    """Bootstrap samples of teachers."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Estimates at every rescaling of every teacher, and how much they vary (Lau et al. 2024).

    inputs    draws of the samplings SAMPLINGS and the curvature tables `curvature`, one per seed
    returns   a table (sampling, seed, teacher, scale, coefficient, lambda_hat, standard_error,
              rhat, trace), and the statistics rescaling_*:
                ratio, trace_ratio   largest / smallest mean over teachers, of the scalings
                bias                 largest |mean lambda_hat / coefficient - 1| of the scalings
                tethered_ratio       ratio with a tether as stiff as the potential (control)
                sgld_ratio           ratio for stochastic-gradient Langevin dynamics
    Intervals resample teachers.
    """
    wanted = build(Settings, settings, "papers.llc.rescaling")
    keys = ["seed", "teacher", "scale"]
    curvature = pd.concat(inputs["curvature"], ignore_index=True)[[*keys, "trace"]]
    parts = [
        llc_table(draws).assign(sampling=name, seed=draws.attrs["seed"])
        for name in SAMPLINGS
        for draws in inputs[name]
    ]
    table = pd.concat(parts, ignore_index=True).merge(curvature, on=keys, validate="many_to_one")
    columns = ["coefficient", "lambda_hat", "standard_error", "rhat", "trace"]
    table = table[["sampling", *keys, *columns]]
    found = {
        "rescaling_ratio": _ratio(table, "hmc", "lambda_hat", wanted.repeats),
        "rescaling_trace_ratio": _ratio(table, "hmc", "trace", wanted.repeats),
        "rescaling_bias": _bias(table, wanted.repeats),
        "rescaling_tethered_ratio": _ratio(table, "tethered", "lambda_hat", wanted.repeats),
        "rescaling_sgld_ratio": _ratio(table, "sgld", "lambda_hat", wanted.repeats),
        "rescaling_rhat": exact(table.loc[table["sampling"] == "hmc", "rhat"].max()),
    }
    return table, found


def _grid(table: pd.DataFrame, sampling: str, column: str) -> NDArray[Any]:
    """(teacher, scale)"""
    chosen = table[table["sampling"] == sampling]
    grid = chosen.pivot_table(index=["seed", "teacher"], columns="scale", values=column)
    return grid.to_numpy()


def _ratio(table: pd.DataFrame, sampling: str, column: str, repeats: int) -> Measured:
    values = _grid(table, sampling, column)

    def spread(teachers: NDArray[Any]) -> float:
        means = values[teachers].mean(0)
        return float(means.max() / means.min())

    found = bootstrap(spread, len(values), seed=0, repeats=repeats)
    return Measured(found.value, found.low, found.high, found.n, _doubt(table, sampling))


def _bias(table: pd.DataFrame, repeats: int) -> Measured:
    values = _grid(table, "hmc", "lambda_hat") / _grid(table, "hmc", "coefficient")

    def largest(teachers: NDArray[Any]) -> float:
        return float(np.abs(values[teachers].mean(0) - 1).max())

    found = bootstrap(largest, len(values), seed=0, repeats=repeats)
    return Measured(found.value, found.low, found.high, found.n, _doubt(table, "hmc"))


def _doubt(table: pd.DataFrame, sampling: str) -> str:
    rhat = float(table.loc[table["sampling"] == sampling, "rhat"].max())
    if rhat <= STATIONARY_RHAT:
        return ""
    return f"chains of {sampling} are not stationary: split R-hat up to {rhat:.2f}"

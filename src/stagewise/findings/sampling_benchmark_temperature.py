"""Samplers on Gaussians: their temperature, and the bias and limit of a finite step."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.measured import Measured, exact, simulated
from stagewise.theory.langevin import gaussian_excess, sghmc_variance, sgnht_variances

FRICTION = 0.1
"""The default of the momentum samplers."""
SAMPLERS = ("sgld", "sghmc", "sgnht", "rmsprop")
ESTIMATES = (*SAMPLERS, "line")
"""Inputs that are LLC tables of draws."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claims A3 and A4 of our own: nbeta E[L] on Gaussian targets, in closed form.

    inputs    LLC tables: of 20 dimensions, by sampler; `line`, of one, by SGLD at several steps
              in units of the curvature
    table     one row per target: kind (temperature, step), sampler, step_size, lambda_hat, exact
              (without step), expected (with it), standard_error
    Statistics: temperature_<sampler>, largest mean deviation from the exact value over targets;
    step_bias, largest deviation of SGLD from its closed form over steps up to 2 / curvature;
    step_diverged, share of chains that a step above 4 / curvature made non-finite.
    """
    parts = []
    for sampler in SAMPLERS:
        rows = pd.concat(inputs[sampler], ignore_index=True)
        rows["exact"] = [untouched(row) for row in rows.to_dict("records")]
        rows["expected"] = [at_step(sampler, row) for row in rows.to_dict("records")]
        parts.append(rows.assign(kind="temperature", sampler=sampler, step_size=np.nan))
    line = pd.concat(inputs["line"], ignore_index=True)
    line["exact"] = [untouched(row) for row in line.to_dict("records")]
    line["expected"] = [
        at_step("sgld", row) if row["step_size"] < 4 else np.nan for row in line.to_dict("records")
    ]
    parts.append(line.assign(kind="step", sampler="sgld"))
    columns = ["kind", "sampler", "step_size", "checkpoint", "nbeta", "epsilon", "lambda_hat"]
    columns += ["standard_error", "exact", "expected", "rhat", "ess_bulk"]
    table = pd.concat(parts, ignore_index=True)[columns]
    found = {}
    for sampler in SAMPLERS:
        rows = table[(table["kind"] == "temperature") & (table["sampler"] == sampler)]
        found[f"temperature_{sampler}"] = _mean_ratio(rows, "exact")
        if sampler != "rmsprop":
            found[f"closed_form_{sampler}"] = _mean_ratio(rows, "expected")
    moderate = table[(table["kind"] == "step") & (table["step_size"] <= 2)]
    by_step = [
        _mean_ratio(rows, "expected")
        for _, rows in moderate[moderate["step_size"] >= 0.4].groupby("step_size")
    ]
    found["step_ratio"] = max(by_step, key=lambda ratio: abs(ratio.value - 1))
    beyond = table[(table["kind"] == "step") & (table["step_size"] > 4)]
    found["step_diverged"] = exact(
        float((~np.isfinite(beyond["lambda_hat"])).mean()), n=len(beyond)
    )
    return table, found


def _mean_ratio(rows: pd.DataFrame, truth: str) -> Measured:
    """Mean over targets of estimate / truth."""
    truths = rows[truth].to_numpy()
    return simulated(
        lambda estimates: float((estimates / truths).mean()),
        rows["lambda_hat"],
        rows["standard_error"],
        seed=0,
    )


def untouched(row: Mapping[Any, Any]) -> float:
    """n beta E[L] on the Gaussian of a row of an LLC table, with exact sampling."""
    return gaussian_excess(_curvatures(row), n_beta=row["nbeta"], localization=row["localization"])


def at_step(sampler: str, row: Mapping[Any, Any], friction: float = FRICTION) -> float:
    """The same with the row's step size; not a number for samplers without a closed form."""
    curvatures, nbeta, gamma = _curvatures(row), row["nbeta"], row["localization"]
    step = row["epsilon"]
    if sampler == "sgld":
        return gaussian_excess(curvatures, n_beta=nbeta, localization=gamma, epsilon=step)
    variances: dict[str, Callable[[list[float]], Iterable[float]]] = {
        "sghmc": lambda precisions: [sghmc_variance(p, step, friction) for p in precisions],
        "sgnht": lambda precisions: sgnht_variances(precisions, step, friction),
    }
    if sampler not in variances:
        return float("nan")
    found = variances[sampler]([nbeta * h + gamma for h in curvatures])
    return sum(nbeta * h / 2 * v for h, v in zip(curvatures, found, strict=True))


def _curvatures(row: Mapping[Any, Any]) -> list[float]:
    return [float(part) for part in str(row["spectrum"]).split()]

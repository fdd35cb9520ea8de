"""Samplers on deep linear networks: what every step size gives, against exact draws."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.order_preservation import order_preservation
from stagewise.findings.measured import Measured, bootstrap, exact, rank_correlation

SAMPLERS = ("sgld", "sghmc", "sgnht", "rmsprop", "frozen", "adam")
ESTIMATES = (*SAMPLERS, "gibbs")
"""Inputs that are LLC tables of draws."""
PAPERS = ("sgld", "sghmc", "sgnht", "rmsprop", "adam")
"""Those that the paper compares; `frozen` is ours."""
TOO_SMALL = 30
"""How much smaller than the best a step is that cannot reach equilibrium."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claims C2 to C7 (2507.21449): the error of every sampler at every step size.

    inputs    an LLC table of each sampler with several step sizes, and of `gibbs`, whose draws
              of the same posteriors are exact
    table     one row per sampler, rescaling, step size and network: lambda_hat, reference (of
              gibbs), aoyagi, error (relative, to the reference), best (whether the step size is
              the one with the smallest error in that geometry)
    Statistics, at the best step size of each sampler in each geometry (s = 1, 3, 10):
        <sampler>_error_s<s>, <sampler>_bias_s<s>   mean absolute and mean relative error
        <sampler>_order_s<s>, <sampler>_spearman_s<s>, <sampler>_asymptotic_s<s> (error against
                                                    Aoyagi's value)
        <sampler>_workable_s<s>                     step sizes with an error of at most `workable`
        and named ones for the claims. Intervals resample networks, at that step size.
    """
    exact_values = pd.concat(inputs["gibbs"], ignore_index=True)
    keys = ["seed", "network", "rescaling"]
    reference = exact_values[[*keys, "lambda_hat", "standard_error"]].rename(
        columns={"lambda_hat": "reference", "standard_error": "reference_error"}
    )
    parts = [
        pd.concat(inputs[sampler], ignore_index=True).assign(sampler=sampler)
        for sampler in SAMPLERS
    ]
    table = pd.concat(parts, ignore_index=True).merge(reference, on=keys, validate="many_to_one")
    table["error"] = table["lambda_hat"] / table["reference"] - 1
    errors = _errors(table)
    best = errors.groupby(["sampler", "rescaling"])["error"].idxmin()
    chosen = errors.loc[best, ["sampler", "rescaling", "step_size"]].assign(best=True)
    table = table.merge(chosen, on=["sampler", "rescaling", "step_size"], how="left")
    table["best"] = table["best"].notna()
    found: dict[str, Measured] = {}
    repeats = settings["bootstrap"]
    for (sampler, scale), part in table[table.best].groupby(["sampler", "rescaling"]):
        found |= {
            f"{sampler}_{name}_s{scale:g}": number
            for name, number in _at_best(part, repeats).items()
        }
    for (sampler, scale), part in errors.groupby(["sampler", "rescaling"]):
        works = int((part["error"] <= settings["workable"]).sum())
        found[f"{sampler}_workable_s{scale:g}"] = exact(works, n=len(part))
    found |= _compared(table, errors, repeats, settings["workable"])
    columns = [
        *("sampler", "rescaling", "step_size", "seed", "network", "widths", "rank", "dimension"),
        *("lambda_hat", "standard_error", "reference", "reference_error", "aoyagi", "error"),
        *("best", "rhat", "ess_bulk"),
    ]
    return table[columns], found


def _errors(table: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error of each sampler, geometry and step; infinite where a chain diverged."""
    grouped = table.groupby(["sampler", "rescaling", "step_size"])["error"]
    return grouped.apply(
        lambda errors: float(errors.abs().mean()) if np.isfinite(errors).all() else np.inf
    ).reset_index()


def _at_best(part: pd.DataFrame, repeats: int) -> dict[str, Measured]:
    """The statistics of one sampler in one geometry at its best step."""
    error, hat = part["error"].to_numpy(), part["lambda_hat"].to_numpy()
    reference, asymptotic = part["reference"].to_numpy(), part["aoyagi"].to_numpy()
    statistics = {
        "error": lambda rows: float(np.abs(error[rows]).mean()),
        "bias": lambda rows: float(error[rows].mean()),
        "order": lambda rows: order_preservation(hat[rows], reference[rows]),
        "spearman": lambda rows: rank_correlation(hat[rows], reference[rows]),
        "asymptotic": lambda rows: float(np.abs(hat[rows] / asymptotic[rows] - 1).mean()),
    }
    return {
        name: bootstrap(statistic, len(part), seed=0, repeats=repeats)
        for name, statistic in statistics.items()
    }


def _compared(
    table: pd.DataFrame, errors: pd.DataFrame, repeats: int, workable: float
) -> dict[str, Measured]:
    """The statistics that hold samplers or geometries against each other."""
    by_network = {
        key: part.set_index(["seed", "network"]).sort_index()
        for key, part in table[table.best].groupby(["sampler", "rescaling"])
    }
    scales = sorted(table["rescaling"].unique())
    networks = len(by_network["sgld", scales[0]])

    def absolute(sampler: str, scale: float) -> NDArray[Any]:
        return by_network[sampler, scale]["error"].abs().to_numpy()

    def ratio(first: NDArray[Any], others: list[NDArray[Any]]) -> Measured:
        return bootstrap(
            lambda rows: float(first[rows].mean() / min(other[rows].mean() for other in others)),
            networks,
            seed=0,
            repeats=repeats,
        )

    found = {}
    for scale in scales:
        rivals = [absolute(sampler, scale) for sampler in PAPERS if sampler != "rmsprop"]
        mine = absolute("rmsprop", scale)
        found[f"rmsprop_over_best_rival_s{scale:g}"] = ratio(mine, rivals)
        found[f"rmsprop_over_sgld_s{scale:g}"] = ratio(mine, [absolute("sgld", scale)])
        ours = absolute("frozen", scale)
        found[f"frozen_over_rmsprop_s{scale:g}"] = ratio(ours, [mine])
        works = {
            sampler: int(found_works)
            for sampler, found_works in errors[errors["rescaling"] == scale]
            .groupby("sampler")["error"]
            .apply(lambda part: (part <= workable).sum())
            .items()
        }
        found[f"workable_lead_s{scale:g}"] = exact(
            works["rmsprop"] - works["sgld"], n=errors["step_size"].nunique()
        )
    one, three = (by_network["rmsprop", scale] for scale in scales[:2])
    moved = ((three["lambda_hat"] - one["lambda_hat"]).abs() / one["aoyagi"]).to_numpy()
    found["rmsprop_rescaling_change"] = bootstrap(
        lambda rows: float(moved[rows].mean()), networks, seed=0, repeats=repeats
    )
    reference = table.drop_duplicates(["seed", "network", "rescaling"])
    change = reference.pivot_table(
        index=["seed", "network"], columns="rescaling", values="reference"
    )
    found["reference_rescaling_change"] = exact(
        float((change[scales[-1]] / change[scales[0]] - 1).abs().max()), n=networks
    )
    found["reference_error_max"] = exact(
        float((reference["reference_error"] / reference["reference"]).max()), n=len(reference)
    )
    found["sgld_too_small"] = _too_small(table, scales[0], repeats)
    return found


def _too_small(table: pd.DataFrame, scale: float, repeats: int) -> Measured:
    """Mean estimate / reference of SGLD at the largest step TOO_SMALL times below the best."""
    sgld = table[(table["sampler"] == "sgld") & (table["rescaling"] == scale)]
    best = sgld.loc[sgld["best"], "step_size"].iloc[0]
    small = sgld.loc[sgld["step_size"] <= best / TOO_SMALL * 1.01, "step_size"]
    if small.empty:
        return Measured(float("nan"), doubt=f"no step is {TOO_SMALL} times below the best")
    part = sgld[sgld["step_size"] == small.max()]
    share = (part["lambda_hat"] / part["reference"]).to_numpy()
    return bootstrap(lambda rows: float(share[rows].mean()), len(share), seed=0, repeats=repeats)

"""Do the intervals of lambda-hat cover the truth as often as they say, whatever the sampler?"""

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stagewise.findings.llc_coverage import targets
from stagewise.findings.llc_coverage import truth as exact_value
from stagewise.findings.measured import Measured, doubtful, exact, not_stationary, share_of
from stagewise.findings.sampling_benchmark_temperature import at_step, untouched

SAMPLERS = ("sghmc", "sgnht", "frozen")
"""Samplers whose intervals are to hold."""
CONTROL = "rmsprop"
"""`frozen` without freezing, so with the bias of the term that it leaves out."""
ESTIMATES = (*SAMPLERS, CONTROL)
"""Inputs that are LLC tables of draws; the draws themselves are `<sampler>_draws`."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Coverage of the 90 % intervals of each sampler on targets whose exact value is known.

    inputs    <sampler> (LLC tables) and <sampler>_draws, in the same order, of random Gaussians,
              monomials and sums of powers. The truth of a Gaussian under SGHMC and SGNHT includes
              the bias of their step, in closed form (`friction`, by sampler, is what they were
              sampled with); all others are those of exact sampling at the same n and tether.
    table     one row per sampler and target, as of `llc_coverage`, and whether a chain diverged
    Statistics: coverage_<sampler>, of all targets; _singular, of those that are no Gaussians;
    _<kind>, of one family; coverage_naive_<sampler>, of intervals that take all draws of all
    chains for independent. Every target has its own chains, so targets are independent trials.
    A target of which a chain diverged has no interval: it counts as not covered.
    """
    parts, found = [], {}
    for sampler in ESTIMATES:
        truth = partial(_truth, sampler, settings["friction"].get(sampler))
        pairs = zip(inputs[sampler], inputs[f"{sampler}_draws"], strict=True)
        rows = pd.concat([_whole(targets(*pair, truth), pair[1]) for pair in pairs])
        parts.append(rows.assign(sampler=sampler))
        groups = {"": rows, "_singular": rows[rows.kind != "gaussian"]}
        groups |= {f"_{kind}": part for kind, part in rows.groupby("kind")}
        for name, part in groups.items():
            share = share_of(int(part.covered.sum()), len(part))
            found[f"coverage_{sampler}{name}"] = doubtful(share, not_stationary(part.rhat))
        naive = share_of(int(rows.naive_covered.sum()), len(rows))
        found[f"coverage_naive_{sampler}"] = naive
        found[f"coverage_diverged_{sampler}"] = exact(rows.diverged.sum(), n=len(rows))
    return pd.concat(parts, ignore_index=True), found


def _whole(rows: pd.DataFrame, draws: xr.Dataset) -> pd.DataFrame:
    """The targets, without an interval where a chain diverged: its finite draws mean nothing."""
    whole = np.isfinite(draws.excess_loss).all(["chain", "draw"]).to_series()
    kept = pd.Series(zip(rows.checkpoint, rows.n, strict=True), index=rows.index).map(whole)
    intervals = ["lambda_hat", "standard_error", "low", "high", "level", "naive_level"]
    rows[intervals] = rows[intervals].where(kept)
    return rows.assign(
        covered=rows.covered & kept, naive_covered=rows.naive_covered & kept, diverged=~kept
    )


def _truth(sampler: str, friction: float | None, row: Mapping[Hashable, Any]) -> float:
    """What the estimate of the sampler converges to on the target of a row."""
    if row["kind"] != "gaussian":
        return exact_value(row)
    return untouched(row) if friction is None else at_step(sampler, row, friction)

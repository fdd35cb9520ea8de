"""Do the intervals of lambda-hat cover the truth as often as they say?"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm
from scipy.stats import t as student

from stagewise.findings.measured import Measured, exact, share_of
from stagewise.theory.langevin import gaussian_excess
from stagewise.theory.normal_crossing import monomial_excess, sum_excess

ESTIMATES = ("tables",)
"""Inputs that are LLC tables of draws."""

LEVEL = 0.9
"""Of the intervals whose coverage is counted."""


def truth(row: Mapping[Hashable, Any]) -> float:
    """What the estimate converges to for this target, n, tether and, for Gaussians, step size."""
    posterior = {"n_beta": row["nbeta"], "localization": row["localization"]}
    if row["kind"] == "gaussian":
        curvatures = [float(part) for part in str(row["spectrum"]).split()]
        return gaussian_excess(curvatures, epsilon=row["epsilon"], **posterior)
    k, h = ([int(part) for part in str(row[name]).split(",")] for name in ("k", "h"))
    if row["kind"] == "sum":
        return sum_excess(k, scales=[row["scale"]] * len(k), **posterior)
    return monomial_excess(k, h, scale=row["scale"], **posterior)


def _naive_error(draws: xr.Dataset) -> pd.DataFrame:
    """Standard error of lambda-hat if all draws of all chains were independent."""
    losses = draws.nbeta * draws.excess_loss
    count = losses.sizes["chain"] * losses.sizes["draw"]
    error = losses.std(["chain", "draw"], ddof=1) / np.sqrt(count)
    return error.rename("naive_error").reset_coords(drop=True).to_dataframe().reset_index()


def targets(
    table: pd.DataFrame,
    draws: xr.Dataset,
    truth: Callable[[Mapping[Hashable, Any]], float] = truth,
) -> pd.DataFrame:
    """One row per target of an LLC table: its `truth`, the estimate, and whether the interval
    covers it; with the interval of all draws taken for independent beside it."""
    found = table.merge(_naive_error(draws), on=["checkpoint", "n"], validate="one_to_one")
    found["truth"] = [truth(row) for row in table.to_dict("records")]
    miss = (found.lambda_hat - found.truth).abs()
    found["standardized"] = (found.lambda_hat - found.truth) / found.standard_error
    found["covered"] = (found.low <= found.truth) & (found.truth <= found.high)
    # the level of the narrowest interval that covers the truth
    found["level"] = 2 * student.cdf(miss / found.standard_error, found.chains - 1) - 1
    found["naive_level"] = 2 * norm.cdf(miss / found.naive_error) - 1
    found["naive_covered"] = found.naive_level <= LEVEL
    columns = ["seed", "kind", "checkpoint", "n", "truth", "lambda_hat", "standard_error", "low"]
    columns += ["high", "chains", "standardized", "covered", "level", "naive_error"]
    return found[[*columns, "naive_covered", "naive_level", "rhat", "drift", "ess_bulk"]]


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Coverage of the 90 % intervals of LLC tables on targets whose exact value is known.

    inputs    tables and draws, in the same order, of random Gaussians (SGLD; the truth includes
              the bias of its step), monomials and sums (MALA)
    table     one row per target: truth, estimate, interval; `level` is that of the narrowest
              interval that covers the truth, uniform on [0, 1] for an honest estimator

    The control treats all draws of all chains as independent. Every target has its own chains,
    so targets are independent trials.
    """
    pairs = zip(inputs["tables"], inputs["draws"], strict=True)
    table = pd.concat([targets(llc, draws) for llc, draws in pairs], ignore_index=True)
    families = {f"coverage_{kind}": part for kind, part in table.groupby("kind")}
    return table, {
        **{
            name: share_of(int(part.covered.sum()), len(part))
            for name, part in {"coverage": table, **families}.items()
        },
        "coverage_naive": share_of(int(table.naive_covered.sum()), len(table)),
        "coverage_rhat_max": exact(table.rhat.max(), n=len(table)),
    }

"""Plateaus of a deep linear network: exact coefficients beside how far each can be compressed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
)

ESTIMATES = ("exact", "sgld")
"""Inputs that are LLC tables of draws."""

RUN = ["seed", "model"]
"""Columns that tell runs apart."""
TOLERANCES = {"": 0.02, "_low": 0.01, "_high": 0.04}
"""Of the loss at rank 0; suffix of a statistic -> tolerance it is at."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Compressibility against the learning coefficient where that is known exactly.

    inputs   critical (critical amounts of every checkpoint), curvature (loss, gradient and Hessian
             of every checkpoint), exact (LLC tables of the rank-k approximations of the targets),
             sgld (LLC tables of the trained networks)
    table    kind "checkpoint": the loss of every checkpoint, with its plateau where it is that
             plateau's slowest point; kind "critical": the critical amounts there, one row per
             scheme and tolerance; kind "exact", "sgld": estimates with their plateau
    """
    joined = {name: pd.concat(tables, ignore_index=True) for name, tables in inputs.items()}
    levels = {seed: at.set_index("rank") for seed, at in joined["exact"].groupby("seed")}
    checkpoints = pd.concat(
        [
            with_plateaus(run, levels[run["seed"].iloc[0]]["remaining_loss"])
            for _, run in joined["curvature"].groupby(RUN)
        ],
        ignore_index=True,
    )
    plateaus = checkpoints.dropna(subset=["rank"])
    plateaus = plateaus[plateaus["rank"] > 0].copy()
    coefficients = joined["exact"].groupby("rank")["aoyagi"].first()
    plateaus["aoyagi"] = plateaus["rank"].map(coefficients)
    columns = [*RUN, "step", "rank", "aoyagi", "trace"]
    critical = joined["critical"].merge(plateaus[columns], on=[*RUN, "step"])

    found = {"plateaus_miss_max": exact(plateaus.miss.max(), n=len(plateaus))}
    for suffix, tolerance in TOLERANCES.items():
        at = critical[np.isclose(critical.relative_tolerance, tolerance)]
        for scheme, part in at.groupby("scheme"):
            for name, statistic in CORRELATIONS.items():
                found[f"plateaus_{scheme}_{name}{suffix}"] = _over_runs(part, statistic)
    part = critical[np.isclose(critical.relative_tolerance, TOLERANCES[""])]
    part = part[part.scheme == "quantization"]
    found["plateaus_trace_spearman"] = _over_runs(
        part, lambda run: rank_correlation(run.trace.to_numpy(), run.amount.to_numpy())
    )
    found |= _estimates(joined, coefficients)
    return _table(checkpoints, critical, joined, coefficients), found


def with_plateaus(run: pd.DataFrame, levels: "pd.Series[float]") -> pd.DataFrame:
    """The checkpoints of a run with columns `rank`, of the plateau whose slowest point a checkpoint
    is, else not a number, and `miss`, its loss above the plateau in units of the step down to it.

    A plateau's slowest point has the smallest gradient of the checkpoints whose loss is nearer to
    this plateau's level than to its neighbours'. A plateau that no checkpoint is near has none.

    levels  loss of each plateau by its rank, falling
    """
    order = levels.sort_index()
    values = order.to_numpy()
    nearest = np.abs(run.full_loss.to_numpy()[:, None] - values).argmin(1)
    found = run.assign(rank=np.nan, miss=np.nan)
    for place, rank in enumerate(order.index):
        near = run[nearest == place]
        if len(near):
            slowest = near.gradient_norm.idxmin()
            found.loc[slowest, "rank"] = rank
            if place:
                drop = values[place - 1] - values[place]
                found.loc[slowest, "miss"] = (run.full_loss[slowest] - values[place]) / drop
    return found


def _spearman(run: pd.DataFrame) -> float:
    return rank_correlation(run.aoyagi.to_numpy(), run.amount.to_numpy())


def _pearson(run: pd.DataFrame) -> float:
    return float(np.corrcoef(run.aoyagi, run.amount)[0, 1])


def _log_pearson(run: pd.DataFrame) -> float:
    return float(np.corrcoef(run.aoyagi, np.log(run.amount))[0, 1])


CORRELATIONS = {"spearman": _spearman, "pearson": _pearson, "log_pearson": _log_pearson}
"""Of the exact coefficient with the critical amount of a run's plateaus."""


def _over_runs(table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float]) -> Measured:
    """Mean over runs; in doubt where a critical amount lies beyond the grid."""
    uncensored = table.dropna(subset=["amount"])
    found = mean_of([statistic(run) for _, run in uncensored.groupby(RUN)])
    lost = len(table) - len(uncensored)
    if lost and not found.doubt:
        doubt = f"{lost} of {len(table)} critical amounts lie beyond the grid; a wider one decides"
        return doubtful(found, doubt)
    return found


def _estimates(
    tables: Mapping[str, pd.DataFrame], coefficients: "pd.Series[float]"
) -> dict[str, Measured]:
    sampled = mean_of(tables["sgld"].lambda_hat / coefficients.iloc[-1] - 1)
    doubt = not_stationary(tables["sgld"].rhat)
    found = {"plateaus_sgld_error": doubtful(sampled, sampled.doubt or doubt)}
    positive = tables["exact"][tables["exact"]["rank"] > 0]
    errors = (positive.lambda_hat / positive.aoyagi - 1).abs()
    largest = exact(errors.max(), n=len(errors))
    found["plateaus_exact_error_max"] = doubtful(largest, not_stationary(positive.rhat))
    return found


def _table(
    checkpoints: pd.DataFrame,
    critical: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    coefficients: "pd.Series[float]",
) -> pd.DataFrame:
    trained = tables["sgld"].assign(rank=coefficients.index[-1], aoyagi=coefficients.iloc[-1])
    parts = [
        checkpoints.assign(kind="checkpoint", loss=checkpoints.full_loss),
        critical.assign(kind="critical"),
        trained.assign(kind="sgld"),
        tables["exact"].assign(kind="exact", loss=tables["exact"].remaining_loss),
    ]
    columns = ["kind", *RUN, "step", "rank", "aoyagi", "loss", "gradient_norm", "trace"]
    columns += ["scheme", "relative_tolerance", "amount", "censored"]
    columns += ["lambda_hat", "standard_error", "rhat"]
    return pd.concat(parts, ignore_index=True).reindex(columns=columns)

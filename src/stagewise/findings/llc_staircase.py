"""Saddle to saddle: the coefficient of a deep linear network rises in steps at the loss drops."""

from collections.abc import Mapping
from functools import partial
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
    simulated,
)

ESTIMATES = ("gibbs", "sgld", "plain", "plateaus")
"""Inputs that are LLC tables of draws."""

NEAR = 0.01
"""A checkpoint is on plateau k if its loss is within this share of the initial loss of L_k."""


def plateau_of(loss: float, levels: list[float]) -> int | None:
    """The plateau whose level the loss is on, or None in transit."""
    distance = [abs(loss - level) for level in levels]
    best = int(np.argmin(distance))
    return best if distance[best] <= NEAR * levels[0] else None


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C7 (Furman and Lau, 2402.03698), on a network trained by gradient descent.

    inputs    gibbs, sgld (against the network's own map), plain (against the data), plateaus
              (exact rank-k approximations of the target): llc.csv tables
    table     one row per checkpoint and sampler, with its plateau, then the plateaus themselves
    """
    plateaus = pd.concat(inputs["plateaus"], ignore_index=True)
    levels = _levels(plateaus)
    parts = []
    for sampler in ("gibbs", "sgld", "plain"):
        part = pd.concat(inputs[sampler], ignore_index=True).assign(sampler=sampler)
        part["plateau"] = [plateau_of(loss, levels) for loss in part.loss]
        parts.append(part)
    exact_points = plateaus.assign(
        sampler="plateau", plateau=plateaus["rank"], loss=levels, step=np.nan
    )
    columns = ["sampler", "step", "loss", "plateau", "lambda_hat", "standard_error", "rhat"]
    kept = [*columns, "aoyagi", "half_jacobian_rank"]
    table = pd.concat([*parts, exact_points], ignore_index=True).reindex(columns=kept)

    statistics: dict[str, Measured] = {}
    aoyagi = plateaus.set_index("rank").aoyagi
    for sampler in ("gibbs", "sgld"):
        on = table[(table.sampler == sampler) & table.plateau.notna()]
        means = on.groupby("plateau").agg(
            value=("lambda_hat", "mean"),
            error=(
                "standard_error",
                lambda errors: float(np.sqrt((errors**2).sum()) / len(errors)),
            ),
        )
        rises = simulated(
            lambda values: float(np.diff(values).min()), means.value, means.error, seed=0
        )
        doubt = not_stationary(on.rhat)
        statistics[f"staircase_{sampler}_smallest_rise"] = doubtful(rises, doubt)
        theory = aoyagi.loc[means.index.astype(int)].to_numpy()
        order = simulated(partial(rank_correlation, theory), means.value, means.error, seed=1)
        statistics[f"staircase_{sampler}_spearman"] = doubtful(order, doubt)
        statistics[f"staircase_{sampler}_plateaus"] = exact(len(means), n=len(on))
    saddles = table[(table.sampler == "plain") & (table.plateau < plateaus["rank"].max())]
    statistics["plain_on_saddles"] = mean_of(saddles.lambda_hat)
    return table, statistics


def _levels(plateaus: pd.DataFrame) -> list[float]:
    """L_k = half the sum of the squared singular values that are not yet learned."""
    return [float(level) for level in plateaus.sort_values("rank")["remaining_loss"]]


def _error_of_mean(errors: "pd.Series[float]") -> float:
    """Standard error of the mean of independent estimates."""
    return float(np.sqrt((errors**2).sum()) / len(errors))

"""Stages of in-context regression, by the local learning coefficient alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.developmental_landscape_curves import (
    Run,
    curves,
    stage_statistics,
    stage_table,
)
from stagewise.findings.measured import (
    Measured,
    doubtful,
    mean_of,
    not_stationary,
    rank_correlation,
    simulated,
)

ESTIMATES = ("llc",)
"""Inputs that are LLC tables of draws."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Stages of the curve, and how closely it follows the loss.

    inputs    llc: tables of all checkpoints of each seed
    table     as `stage_table`
    settings  threshold, restarts (of the fits), permutations (of the controls)
    """
    runs = curves(inputs["llc"], settings)
    return stage_table(runs), {
        **stage_statistics("regression", runs, settings, paper="AABBA"),
        **_with_loss(runs, settings["permutations"]),
    }


def _with_loss(runs: Sequence[Run], permutations: int) -> dict[str, Measured]:
    """Spearman's correlation of the estimate with minus the loss over the checkpoints of a run, the
    least of the runs; the control permutes the estimates."""
    rows = pd.concat([run.table.assign(error=run.error) for run in runs], ignore_index=True)
    places = [np.flatnonzero(rows["seed"] == run.seed) for run in runs]
    losses = rows["loss"].to_numpy()

    def least(values: NDArray[Any]) -> float:
        return min(rank_correlation(values[at], -losses[at]) for at in places)

    random = np.random.default_rng(1)
    shuffled = [
        rank_correlation(random.permutation(run.table["lambda_hat"]), -run.table["loss"])
        for run in runs
        for _ in range(permutations)
    ]
    doubt = not_stationary(rows["rhat"])
    found = simulated(least, rows["lambda_hat"], rows["error"], seed=0, repeats=500)
    return {
        "regression_llc_rank_correlation": doubtful(found, doubt),
        "control_regression_shuffled_rank_correlation": mean_of(shuffled),
    }

"""Toy model of superposition: transitions between levels in training, and their antecedents."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.plateaus import plateaus
from stagewise.findings.measured import Measured, bootstrap, exact
from stagewise.findings.tms_descent import COEFFICIENTS, LEVELS, checkpoints
from stagewise.theory.superposition import PHASES_6


def measure(
    inputs: dict[str, list[pd.DataFrame]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Directions of all transitions in loss and in coefficient, estimated and exact.

    Input: `llc`, as for the levels. Table: one row per transition, with the mean estimates on
    the two plateaus. Intervals resample runs, because the transitions of a run are dependent.
    """
    table = checkpoints(inputs["llc"], tolerance=settings["tolerance"])
    runs = table["run"].unique()
    changes = pd.DataFrame(
        [row for run in runs for row in _changes(run, table[table["run"] == run])],
        columns=[
            "run", "step", "before", "after", "loss_change", "estimate_before", "estimate_after",
            "exact_change",
        ],
    )
    changes["estimate_change"] = changes["estimate_after"] - changes["estimate_before"]
    by_run = [changes.loc[changes["run"] == run] for run in runs]
    found = {
        "share_downward": _share([rows["loss_change"].to_numpy() < 0 for rows in by_run], settings),
        "share_estimate_rises": _share(
            [rows["estimate_change"].to_numpy() > 0 for rows in by_run], settings
        ),
        "share_exact_rises": _share(
            [rows["exact_change"].to_numpy() > 0 for rows in by_run], settings
        ),
        "transitions": exact(len(changes), n=len(runs)),
        "control_share_downward_shuffled": _shuffled(table, settings),
    }
    return changes, found


def _changes(run: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per pair of consecutive plateaus of a run."""
    estimate, step = rows["lambda_hat"].to_numpy(), rows["step"].to_numpy()
    found = plateaus(rows["level"].to_numpy())
    return [
        {
            "run": run,
            "step": step[after.members[0]],
            "before": PHASES_6[before.level],
            "after": PHASES_6[after.level],
            "loss_change": LEVELS[after.level] - LEVELS[before.level],
            "estimate_before": estimate[before.members].mean(),
            "estimate_after": estimate[after.members].mean(),
            "exact_change": COEFFICIENTS[after.level] - COEFFICIENTS[before.level],
        }
        for before, after in zip(found[:-1], found[1:], strict=True)
    ]


def _share(hits: list[NDArray[np.bool_]], settings: dict[str, Any]) -> Measured:
    """Share of transitions that hit, resampling runs."""

    def share(chosen: NDArray[Any]) -> float:
        joined = np.concatenate([hits[run] for run in chosen])
        return float(joined.mean()) if len(joined) else float("nan")

    return bootstrap(share, len(hits), seed=0, repeats=settings["bootstrap"])


def _shuffled(table: pd.DataFrame, settings: dict[str, Any]) -> Measured:
    """The share of downward transitions when each run's checkpoints are in random order."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(20):
        down = []
        for _, rows in table.groupby("run"):
            found = plateaus(random.permutation(rows["level"].to_numpy()))
            down += [
                LEVELS[b.level] < LEVELS[a.level] for a, b in zip(found[:-1], found[1:], strict=True)
            ]
        shares.append(np.mean(down) if down else np.nan)
    low, high = np.nanquantile(shares, [0.05, 0.95])
    return Measured(float(np.nanmean(shares)), float(low), float(high), n=len(shares))

"""Toy model of superposition: transitions between levels in training, and their antecedents."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.plateaus import plateaus
from stagewise.findings.measured import Measured, bootstrap, doubtful, exact
from stagewise.findings.tms_descent import COEFFICIENTS, LEVELS, checkpoints
from stagewise.theory.superposition import PHASES_6

ESTIMATES = ("llc",)
"""Inputs that are LLC tables of draws."""

FEWEST = 5
"""Transitions below which a share must not decide a claim."""
COLUMNS = [
    "run",
    "step",
    "before",
    "after",
    "loss_change",
    "estimate_before",
    "estimate_after",
    "estimate_change",
    "exact_change",
]


def measure(
    inputs: dict[str, list[pd.DataFrame]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Directions of all transitions in loss and in coefficient, estimated and exact.

    Input: `llc`, as for the levels. Table: one row per transition, with the mean estimates on
    the two plateaus. Intervals resample runs, because the transitions of a run are dependent.
    Every visit of a level counts; the `_lasting` statistics leave out levels only passed through.
    """
    table = checkpoints(inputs["llc"], tolerance=settings["tolerance"])
    every = _changes(table, shortest=1)
    lasting = _changes(table, shortest=settings["lasting"])
    found = {
        "transitions": exact(len(every), n=table["run"].nunique()),
        "transitions_lasting": exact(len(lasting), n=table["run"].nunique()),
        "share_downward": _share(every["loss_change"] < 0, every, table, settings),
        "share_estimate_rises": _share(every["estimate_change"] > 0, every, table, settings),
        "share_exact_rises": _share(every["exact_change"] > 0, every, table, settings),
        "share_estimate_rises_lasting": _share(
            lasting["estimate_change"] > 0, lasting, table, settings
        ),
        "share_exact_rises_lasting": _share(lasting["exact_change"] > 0, lasting, table, settings),
        "control_share_downward_shuffled": _shuffled(table),
    }
    return every, found


def _changes(table: pd.DataFrame, *, shortest: int) -> pd.DataFrame:
    """One row per pair of consecutive plateaus of a run."""
    found = []
    for run, rows in table.groupby("run", sort=False):
        estimate, step = rows["lambda_hat"].to_numpy(), rows["step"].to_numpy()
        resting = plateaus(rows["level"].to_numpy(), shortest=shortest)
        for before, after in pairwise(resting):
            means = [float(estimate[part.members].mean()) for part in (before, after)]
            found.append(
                {
                    "run": run,
                    "step": step[after.members[0]],
                    "before": PHASES_6[before.level],
                    "after": PHASES_6[after.level],
                    "loss_change": LEVELS[after.level] - LEVELS[before.level],
                    "estimate_before": means[0],
                    "estimate_after": means[1],
                    "estimate_change": means[1] - means[0],
                    "exact_change": COEFFICIENTS[after.level] - COEFFICIENTS[before.level],
                }
            )
    return pd.DataFrame(found, columns=COLUMNS)


def _share(
    hits: pd.Series, changes: pd.DataFrame, table: pd.DataFrame, settings: dict[str, Any]
) -> Measured:
    """Share of transitions that hit, resampling runs; a doubt where there are very few."""
    by_run = [hits[changes["run"] == run].to_numpy() for run in table["run"].unique()]

    def share(chosen: NDArray[Any]) -> float:
        joined = np.concatenate([by_run[run] for run in chosen])
        return float(joined.mean()) if len(joined) else float("nan")

    found = bootstrap(share, len(by_run), seed=0, repeats=settings["bootstrap"])
    few = len(hits) < FEWEST
    return doubtful(found, f"only {len(hits)} transitions were seen" if few else "")


def _shuffled(table: pd.DataFrame) -> Measured:
    """The share of downward transitions when each run's checkpoints are in random order."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(20):
        down: list[bool] = []
        for _, rows in table.groupby("run"):
            resting = plateaus(random.permutation(rows["level"].to_numpy()))
            down += [LEVELS[b.level] < LEVELS[a.level] for a, b in pairwise(resting)]
        shares.append(float(np.mean(down)) if down else float("nan"))
    low, high = np.nanquantile(shares, [0.05, 0.95])
    return Measured(float(np.nanmean(shares)), float(low), float(high), n=len(shares))

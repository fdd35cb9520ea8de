"""Stages of the language model, by the local learning coefficient alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.developmental_landscape_curves import (
    Run,
    curves,
    in_order,
    pooled_error,
    stage_statistics,
    stage_table,
)
from stagewise.findings.developmental_landscape_heads import best_heads, time_of
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
)

ESTIMATES = ("llc", "local")
"""Inputs that are LLC tables of draws."""

BEGUN, DONE = 0.25, 0.75
"""Shares of its whole rise that a score has when a transition begins and when it is over."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Stages of the curve, and what it does while heads form.

    inputs    llc: tables of all checkpoints of each seed; local: of some checkpoints, at a more
              local setting; behaviour: scores of the checkpoints
    table     as `stage_table`, with the more local estimates as kind `local`
    settings  threshold, restarts (of the fits), permutations (of the control)
    """
    runs = curves(inputs["llc"], settings)
    scores = {int(rows["seed"].iloc[0]): best_heads(rows) for rows in inputs["behaviour"]}
    local = [in_order(rows) for rows in inputs["local"]]
    table = pd.concat(
        [
            stage_table(runs),
            *(
                rows[["seed", "step", "loss", "lambda_hat", "low", "high"]].assign(kind="local")
                for rows in local
            ),
        ],
        ignore_index=True,
    )
    changes = {
        "language_llc_change_previous_token": [
            _change(run, *_forming(scores[run.seed])) for run in runs
        ],
        "language_llc_change_induction": [
            _change(run, *_inducing(scores[run.seed])) for run in runs
        ],
    }
    return table, {
        **stage_statistics("language", runs, settings, paper="AABAA"),
        **{name: _mean_change(values) for name, values in changes.items()},
        **_against_local(runs, local),
    }


def _forming(scores: pd.DataFrame) -> tuple[float, float]:
    """From the step at which the best previous-token score begins to rise to the one at which the
    best prefix score does."""
    return time_of(scores, "previous_token", BEGUN), time_of(scores, "prefix", BEGUN)


def _inducing(scores: pd.DataFrame) -> tuple[float, float]:
    """From the beginning to the end of the rise of the best prefix score."""
    return time_of(scores, "prefix", BEGUN), time_of(scores, "prefix", DONE)


def _change(run: Run, start: float, end: float) -> tuple[float, float]:
    """Of the estimate, from the last checkpoint up to `start` to the first one from `end` on, and
    the larger R-hat of the two; not a number unless `start` is before `end`."""
    steps = run.table["step"]
    before, after = run.table[steps <= start], run.table[steps >= end]
    if not start < end or before.empty or after.empty:
        return np.nan, np.nan
    first, last = before.iloc[-1], after.iloc[0]
    return float(last["lambda_hat"] - first["lambda_hat"]), float(max(first["rhat"], last["rhat"]))


def _mean_change(found: Sequence[tuple[float, float]]) -> Measured:
    changes, rhat = zip(*found, strict=True)
    mean = mean_of(changes)
    return doubtful(mean, not_stationary(rhat) or mean.doubt)


def _against_local(runs: Sequence[Run], local: Sequence[pd.DataFrame]) -> dict[str, Measured]:
    """The same curve at a more local setting: the rank correlation over common checkpoints, and the
    last fall in standard errors of a difference. The worst seed decides."""
    ranks, falls, rhat = [], [], []
    by_seed = {int(rows["seed"].iloc[0]): rows for rows in local}
    for run in runs:
        if run.seed not in by_seed:
            continue
        rows = by_seed[run.seed]
        both = run.table.merge(rows, on="step", suffixes=("", "_local"))
        ranks.append(rank_correlation(both["lambda_hat"].to_numpy(), both["lambda_hat_local"]))
        falls.append(_local_fall(run, rows))
        rhat += list(rows["rhat"])
    if not ranks:
        return {}
    doubt = not_stationary(rhat)
    return {
        "language_local_rank_correlation": doubtful(exact(np.min(ranks), n=len(ranks)), doubt),
        "language_local_fall": doubtful(exact(np.min(falls), n=len(falls)), doubt),
    }


def _local_fall(run: Run, rows: pd.DataFrame) -> float:
    """From the more local checkpoint nearest to the start of the run's last falling stage to its
    last one; 0 where no stage falls."""
    falling = [stage for stage in run.stages if stage.kind == "B"]
    error = pooled_error(rows)
    if not falling:
        return 0.0
    distance = (np.log1p(rows["step"]) - np.log1p(falling[-1].start)).abs()
    top = rows["lambda_hat"].iloc[int(distance.to_numpy().argmin())]
    change = float(top - rows["lambda_hat"].iloc[-1])
    return change / (2**0.5 * error) if error else np.nan

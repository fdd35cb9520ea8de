"""Curves of the local learning coefficient over training, and the stages they fall into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.milestones import Fit, Stage, fit_curve, milestones, stages
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    simulated,
)

APART = 0.5
"""Milestones of two curves are the same where log(step + 1) differs by at most this, the least
length scale of the fits."""
FEWEST, MOST = 2, 6
"""Stages that a curve is expected to have."""


@dataclass(frozen=True)
class Run:
    """The curve of one training run."""

    seed: int
    table: pd.DataFrame
    """One row per checkpoint, in order of steps: an LLC table."""
    error: float
    """Standard error of an estimate, pooled over checkpoints: few chains tell one badly."""
    fit: Fit
    stages: list[Stage]
    hidden: int
    """Milestones of the coefficient that are none of the loss."""

    @property
    def kinds(self) -> str:
        """Kinds of the stages in order, as "AAB"."""
        return "".join(stage.kind for stage in self.stages)

    def nearest(self, step: float) -> pd.Series:
        """The checkpoint closest to a step, in log(step + 1)."""
        distance = (np.log1p(self.table["step"]) - np.log1p(step)).abs()
        return self.table.iloc[int(distance.to_numpy().argmin())]


def curves(tables: Sequence[pd.DataFrame], settings: Mapping[str, Any]) -> list[Run]:
    """One run per LLC table, each of one seed.

    settings  threshold, of the slope, as a share of the range of the estimates per unit of
              log(step + 1); restarts, of the fit
    """
    return [_run(table, settings) for table in tables]


def _run(table: pd.DataFrame, settings: Mapping[str, Any]) -> Run:
    rows = in_order(table.dropna(subset="lambda_hat"))
    error = pooled_error(rows)
    fit, found = staged(rows["step"], rows["lambda_hat"], settings, error=error)
    _, of_loss = staged(rows["step"], rows["loss"], settings)
    return Run(int(rows["seed"].iloc[0]), rows, error, fit, found, _hidden(found, of_loss))


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """One row per step, rising."""
    return table.drop_duplicates("step").sort_values("step").reset_index(drop=True)


def pooled_error(rows: pd.DataFrame) -> float:
    """Root mean square of the standard errors; 0 where single chains have none."""
    square = float((rows["standard_error"] ** 2).mean())
    return square**0.5 if np.isfinite(square) else 0.0


def staged(
    steps: Any, values: Any, settings: Mapping[str, Any], *, error: float = 0.0
) -> tuple[Fit, list[Stage]]:
    """The fit of a curve and its stages; `error` is the standard error of every value."""
    known = np.full(len(values), error)
    fit = fit_curve(steps, values, known, restarts=settings["restarts"])
    return fit, stages(fit, settings["threshold"] * float(np.ptp(values)))


def _hidden(found: list[Stage], of_loss: list[Stage]) -> int:
    known = np.log1p(milestones(of_loss))
    return sum(not (np.abs(known - np.log1p(step)) <= APART).any() for step in milestones(found))


def fall(run: Run) -> tuple[float, list[float]]:
    """Largest fall of the estimate over a stage of kind B in which the loss does not rise, between
    the checkpoints nearest its ends, in standard errors of a difference, and the R-hat of those
    two; 0 and nothing where there is none."""
    size, rhat = 0.0, []
    for stage in run.stages:
        first, last = run.nearest(stage.start), run.nearest(stage.end)
        change = float(first["lambda_hat"] - last["lambda_hat"])
        if stage.kind == "B" and last["loss"] <= first["loss"] and change > size:
            size, rhat = change, [float(first["rhat"]), float(last["rhat"])]
    return (size / (2**0.5 * run.error) if run.error else np.nan), rhat


STAGE = ["kind", "stage", "step", "end", "type", "llc_change", "loss_change"]


def stage_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Rows of kind `estimate` (a checkpoint), `fit` (a place of the fitted curve: mean, slope) and
    `stage` (its number, start in `step`, end, type, changes of estimate and loss)."""
    parts = []
    for run in runs:
        columns = ["step", "loss", "lambda_hat", "standard_error", "low", "high"]
        gates = [name for name in ("rhat", "tether_ratio", "loss_rise") if name in run.table]
        estimates = run.table[[*columns, *gates]].assign(kind="estimate")
        fitted = pd.DataFrame(
            {"step": run.fit.step, "mean": run.fit.mean, "slope": run.fit.slope}
        ).assign(kind="fit")
        steps, losses = np.log1p(run.table["step"]), run.table["loss"]
        listed = [
            {
                "kind": "stage",
                "stage": number,
                "step": stage.start,
                "end": stage.end,
                "type": stage.kind,
                "llc_change": stage.change,
                "loss_change": float(
                    np.diff(np.interp(np.log1p([stage.start, stage.end]), steps, losses))[0]
                ),
            }
            for number, stage in enumerate(run.stages, start=1)
        ]
        stages = pd.DataFrame(listed, columns=STAGE)
        parts += [part.assign(seed=run.seed) for part in (estimates, fitted, stages)]
    return pd.concat(parts, ignore_index=True)


def stage_statistics(
    name: str, runs: Sequence[Run], settings: Mapping[str, Any], *, paper: str
) -> dict[str, Measured]:
    """Statistics of the stages, each named after the family of runs, in doubt where the chains that
    they rest on are not stationary. What is to hold in every run is that of the worst of them.

    paper  kinds of the stages in the paper, as "AABAA"
    """
    n = len(runs)
    counts = [len(run.stages) for run in runs]
    rows = pd.concat([run.table.assign(error=run.error) for run in runs], ignore_index=True)
    places = [np.flatnonzero(rows["seed"] == run.seed) for run in runs]

    def growth(values: NDArray[Any]) -> float:
        return min(float(values[at[-1]] - values[at[0]]) for at in places)

    found = {
        f"{name}_stage_count_share": exact(
            sum(FEWEST <= count <= MOST for count in counts) / n, n=n
        ),
        f"{name}_stages": mean_of(counts),
        f"{name}_stages_as_in_paper": exact(sum(run.kinds == paper for run in runs) / n, n=n),
        f"{name}_llc_growth": simulated(growth, rows["lambda_hat"], rows["error"], seed=0),
        f"{name}_hidden_milestones": exact(min(run.hidden for run in runs), n=n),
        f"{name}_type_sequences": exact(len({run.kinds for run in runs}), n=n),
        f"control_{name}_shuffled_stages": _shuffled(runs, settings),
    }
    if "tether_ratio" in rows:
        medians = [float(run.table["tether_ratio"].median()) for run in runs]
        found[f"{name}_tether_ratio"] = exact(max(medians), n=n)
    doubt = not_stationary(rows["rhat"])
    found = {key: doubtful(value, doubt or value.doubt) for key, value in found.items()}
    falls, rhat = zip(*(fall(run) for run in runs), strict=True)
    found[f"{name}_llc_fall"] = doubtful(exact(min(falls), n=n), _unsettled(np.concatenate(rhat)))
    return found


def _unsettled(rhat: NDArray[Any]) -> str:
    return not_stationary(rhat) if len(rhat) else ""


def _shuffled(runs: Sequence[Run], settings: Mapping[str, Any]) -> Measured:
    """Mean number of stages when the estimates of a run are in random order."""
    random = np.random.default_rng(0)
    counts = []
    for _ in range(settings["permutations"]):
        for run in runs:
            values = random.permutation(run.table["lambda_hat"].to_numpy())
            _, found = staged(run.table["step"], values, settings, error=run.error)
            counts.append(len(found))
    return mean_of(counts)

"""Language models along their training: the LLC against how far checkpoints can be compressed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from stagewise.estimators.partial_correlation import partial_correlation
from stagewise.findings.mdl_points import (
    PREDICTORS,
    SAMPLINGS,
    Columns,
    columns_of,
    points,
    resampled,
    undefined,
    with_correlations,
)
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    not_stationary,
    rank_correlation,
)
from stagewise.settings import build

ESTIMATES = SAMPLINGS
"""Inputs that are LLC tables of draws."""
FEWEST, ENOUGH = 4, 10
"""Checkpoints of a run that a correlation needs to be a number, and to decide a claim."""


@dataclass(frozen=True)
class Settings:
    """Where claims are judged, and how uncertainty is found."""

    testbed: str
    """Of the models."""
    runs: dict[str, list[str]]
    """Label of a run -> its variants of the testbed, each with some of its checkpoints."""
    tolerance: float
    """Rise of the loss, in nats, of all statistics that do not name another."""
    vocabulary: int
    """Of the corpus; a model that knows nothing has the loss log vocabulary."""
    repeats: int
    """Of the bootstrap over checkpoints."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Runs of several sizes, each compared with itself along its training.

    inputs   those of `findings.mdl_points.points`, one run per size
    table    that table, and below it Spearman's correlations by predictor and scheme
    returns  statistics, each the mean over runs, intervals by resampling checkpoints:
               <predictor>_<scheme>          Spearman with the critical amount; with _tight and
                                             _loose at the smallest and largest tolerance
               <sampling>_<scheme>_r2        square of Pearson's correlation, and the same suffixes
               <sampling>_<scheme>_partial   Pearson's partial correlation given log step
               <sampling>_growth             Spearman of the LLC with the step
               <sampling>_rise               largest mean rise of the loss along the chains
               <sampling>_saturation         largest share of the way from the checkpoint's loss to
                                             that of ignorance, log of the vocabulary, that is made
               <sampling>_tether_ratio       mean of the LLC over n beta Tr H / (2 gamma)
               <sampling>_tether_share       mean of |w - w*|^2 over d / gamma
               <sampling>_least              smallest LLC
    """
    wanted = build(Settings, settings, "papers.mdl.language")
    table = points(inputs, wanted.runs)
    tolerances = sorted(table["tolerance"].unique())
    suffixes = {"": wanted.tolerance, "_tight": tolerances[0], "_loose": tolerances[-1]}
    found: dict[str, Measured] = {}
    drawn: dict[tuple[str, ...], Measured] = {}
    for suffix, tolerance in suffixes.items():
        near = table[np.isclose(table["tolerance"], tolerance)]
        for scheme, part in near.groupby("scheme"):
            for predictor in PREDICTORS:
                one = _over_runs(part, _spearman(predictor), wanted)
                found[f"{predictor}_{scheme}{suffix}"] = one
                if not suffix:
                    drawn[predictor, str(scheme)] = one
            for sampling in SAMPLINGS:
                name = f"{sampling}_{scheme}"
                found[f"{name}_r2{suffix}"] = _over_runs(part, _r2(sampling), wanted)
                found[f"{name}_partial{suffix}"] = _over_runs(part, _partial(sampling), wanted)
    for sampling in SAMPLINGS:
        doubt = not_stationary(_once(table)[f"rhat_{sampling}"])
        for name in [name for name in found if name.startswith(f"{sampling}_")]:
            found[name] = doubtful(found[name], found[name].doubt or doubt)
        found |= _gates(_once(table), sampling, wanted)
    return with_correlations(table, drawn, ("predictor", "scheme")), found


def _once(table: pd.DataFrame) -> pd.DataFrame:
    """One row per checkpoint."""
    return table.drop_duplicates(["run", "model", "step"])


Statistic = Callable[[Columns], float]


def _spearman(predictor: str) -> Statistic:
    return lambda run: rank_correlation(run[predictor], run["amount"])


def _r2(predictor: str) -> Statistic:
    return lambda run: (
        partial_correlation(run[predictor], run["amount"], np.ones(len(run["amount"]))) ** 2
    )


def _partial(predictor: str) -> Statistic:
    return lambda run: partial_correlation(run[predictor], run["amount"], run["log_step"])


def _over_runs(table: pd.DataFrame, statistic: Statistic, wanted: Settings) -> Measured:
    """Mean over runs, its interval from resampling the checkpoints of each. Checkpoints of which
    the critical amount lies beyond the grid are left out; in doubt where few remain."""
    known = table.dropna(subset=["amount"])
    runs = [columns_of(run.sort_values("step")) for _, run in known.groupby("run")]
    lengths = [len(run["amount"]) for run in runs]
    fewest = min(lengths, default=0)
    if fewest < FEWEST or len(runs) < table["run"].nunique():
        doubt = f"a run has fewer than {FEWEST} checkpoints with a critical amount on the grid"
        return undefined(doubt)

    def of(chosen: Any) -> float:
        # the same share of the way along every run
        places = [chosen * length // fewest for length in lengths]
        return _mean(
            statistic,
            [{name: v[at] for name, v in r.items()} for r, at in zip(runs, places, strict=True)],
        )

    found = resampled(of, fewest, repeats=wanted.repeats)
    if fewest < ENOUGH and not found.doubt:
        found = doubtful(found, f"a run has only {fewest} checkpoints with a critical amount")
    return replace(found, value=_mean(statistic, runs), n=len(known))


def _mean(statistic: Statistic, runs: Sequence[Columns]) -> float:
    return float(np.mean([statistic(run) for run in runs]))


def _gates(table: pd.DataFrame, sampling: str, wanted: Settings) -> dict[str, Measured]:
    rise, count = table[f"loss_rise_{sampling}"], len(table)
    room = np.log(wanted.vocabulary) + table["minus_loss"]
    return {
        f"{sampling}_growth": _over_runs(
            table.assign(amount=table["step"]), _spearman(sampling), wanted
        ),
        f"{sampling}_rise": exact(rise.max(), count),
        f"{sampling}_saturation": exact((rise / room).max(), count),
        f"{sampling}_tether_ratio": exact(table[f"tether_ratio_{sampling}"].mean(), count),
        f"{sampling}_tether_share": exact(table[f"tether_share_{sampling}"].mean(), count),
        f"{sampling}_least": exact(table[sampling].min(), count),
    }

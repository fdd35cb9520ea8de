"""Many runs, compared with each other: does the LLC say how far a model can be compressed?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from stagewise.estimators.partial_correlation import partial_correlation
from stagewise.findings.mdl_points import (
    PREDICTORS,
    RIVALS,
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

FEWEST = 4
"""Kinds of runs that a correlation needs."""

PLACES = {"step": "scheduled", "loss": "target"}
"""What runs have in common where they are compared -> kind of those checkpoints."""
CONSTANT = {"step": "log_step", "loss": "minus_loss"}
"""What cannot tell them apart there."""


@dataclass(frozen=True)
class Settings:
    """Where claims are judged, and how uncertainty is found."""

    variants: list[str]
    """Of gpt_neox: the kinds of runs."""
    tolerance: float
    """Rise of the loss, in nats, of all statistics that do not name another."""
    repeats: int
    """Of the bootstrap over kinds of runs; permutations of runs."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Runs that differ in size, seed, weight decay or data, at equal step and at equal loss.

    inputs   those of `findings.mdl_points.points`, one table per kind of runs and seed
    table    that table, with `place`: step or loss, and below it Spearman's correlations by place,
             predictor and scheme
    returns  statistics over all runs, their intervals by resampling kinds of runs, each with all
             its runs, since runs of one kind are much alike; <place> is step or loss:
               <place>_<predictor>_<scheme>         Spearman with the critical amount; of
                                                    quantization also with _tight and _loose at the
                                                    smallest and largest tolerance
               <place>_<sampling>_over_<rival>      Spearman of the LLC with the critical levels of
                                                    quantization less the rival's, by magnitude
               <place>_<sampling>_given_<rival>     rank correlation of LLC and critical levels,
                                                    the rival's held fixed
               <place>_shuffled                     95 % quantile of |Spearman| with kinds of runs
                                                    in random order
               <place>_runs                         runs that are compared
    """
    wanted = build(Settings, settings, "papers.mdl.runs")
    table = points(inputs)
    table["place"] = table["kind"].map({kind: place for place, kind in PLACES.items()})
    tolerances = sorted(table["tolerance"].unique())
    suffixes = {"": wanted.tolerance, "_tight": tolerances[0], "_loose": tolerances[-1]}
    found: dict[str, Measured] = {}
    drawn: dict[tuple[str, ...], Measured] = {}
    for place, (suffix, tolerance) in product(PLACES, suffixes.items()):
        at = table[(table["place"] == place) & np.isclose(table["tolerance"], tolerance)]
        for scheme in table["scheme"].unique():
            part = at[at["scheme"] == scheme]
            if suffix and scheme != "quantization":
                continue
            for predictor in PREDICTORS:
                if predictor != CONSTANT[place]:
                    one = _over_kinds(part, _spearman(predictor), wanted)
                    found[f"{place}_{predictor}_{scheme}{suffix}"] = one
                    if not suffix:
                        drawn[place, predictor, str(scheme)] = one
    for place in PLACES:
        at = table[(table["place"] == place) & np.isclose(table["tolerance"], wanted.tolerance)]
        part = at[at["scheme"] == "quantization"]
        for sampling, rival in product(SAMPLINGS, RIVALS):
            if rival != CONSTANT[place]:
                name = f"{place}_{sampling}"
                more, given = _more(sampling, rival), _given(sampling, rival)
                found[f"{name}_over_{rival}"] = _over_kinds(part, more, wanted)
                found[f"{name}_given_{rival}"] = _over_kinds(part, given, wanted)
        for sampling in SAMPLINGS:
            doubt = not_stationary(part[f"rhat_{sampling}"]) if len(part) else "no run is there"
            for name in [name for name in found if name.startswith(f"{place}_{sampling}_")]:
                found[name] = doubtful(found[name], found[name].doubt or doubt)
        found[f"{place}_shuffled"] = _shuffled(part, wanted)
        found[f"{place}_runs"] = exact(len(part), part["variant"].nunique())
    return with_correlations(table, drawn, ("place", "predictor", "scheme")), found


Statistic = Callable[[Columns], float]


def _spearman(predictor: str) -> Statistic:
    return lambda runs: rank_correlation(runs[predictor], runs["amount"])


def _more(sampling: str, rival: str) -> Statistic:
    return lambda runs: abs(_spearman(sampling)(runs)) - abs(_spearman(rival)(runs))


def _given(sampling: str, rival: str) -> Statistic:
    return lambda runs: partial_correlation(runs[sampling], runs["amount"], runs[rival], ranks=True)


def _over_kinds(table: pd.DataFrame, statistic: Statistic, wanted: Settings) -> Measured:
    """The statistic of all runs, and its interval from resampling their kinds."""
    known = table.dropna(subset=["amount"])
    whole, kinds = columns_of(known), list(known.reset_index().groupby("variant").indices.values())
    if len(kinds) < FEWEST:
        return undefined(f"fewer than {FEWEST} kinds of runs have a critical amount on the grid")

    def of(chosen: Any) -> float:
        rows = np.concatenate([kinds[kind] for kind in chosen])
        return statistic({name: values[rows] for name, values in whole.items()})

    found = resampled(of, len(kinds), repeats=wanted.repeats)
    lost = len(table) - len(known)
    if lost > len(table) // 4 and not found.doubt:
        found = doubtful(found, f"{lost} of {len(table)} critical amounts lie beyond the grid")
    return found


def _shuffled(table: pd.DataFrame, wanted: Settings) -> Measured:
    known, random = table.dropna(subset=["amount"]), np.random.default_rng(2)
    means = known.groupby("variant")["amount"].mean()
    found = [
        abs(rank_correlation(means.to_numpy(), random.permutation(len(means))))
        for _ in range(wanted.repeats)
    ]
    return exact(float(np.quantile(found, 0.95)), len(means))

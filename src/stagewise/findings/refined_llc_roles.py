"""Claims C2 and C4: final estimates by what a head does, and when its curve turns over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.language_heads import (
    SIMPLE,
    at_end,
    estimates,
    head_scores,
    heads,
    need_equal_settings,
    scored,
)
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
)
from stagewise.settings import build

ESTIMATES = ("heads", "heads_strong")


@dataclass(frozen=True)
class Settings:
    """Which heads attend by a rule."""

    attention: float
    """Least previous-token score in the first layer, or prefix score in a later one."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Heads that a short rule describes against heads that store patterns.

    inputs   per seed: `heads` (draws at some checkpoints), `heads_strong` (at the last, with a
             larger n beta), `behaviour` and `ablations`
    returns  one row per seed and head: final estimate (lambda_hat) and that at the larger n beta
             (lambda_hat_strong), scores, type, simple (by type), attends (by attention), and of the
             curve its peak (step), fall (from the peak to the end, in standard errors). Statistics:
               simple_over_storing            mean estimate of heads with a rule, copying and
                                              matching by ablation, over that of the others, - 1
               simple_over_storing_attention  the same, heads that attend by a rule
               simple_over_storing_strong     the same by type, larger n beta
               simple_over_storing_trace      the same by type, of the Hessian trace
               copying_correlation            Spearman over heads of the estimate and the rise of
                                              the loss of repeated tokens under ablation
               rise_together                  Spearman with the step, up to the half-rise of the
                                              largest prefix score, mean over heads
               induction_fall, storing_fall   from peak to end in standard errors, median over seeds
                                              of the head of the largest prefix score, and over all
                                              storing heads
               peak_time                      log2 of the induction head's peak over the half-rise
                                              of its prefix score
             All but the falls are means over seeds.
    """
    wanted = build(Settings, settings, "papers.refined_llc.roles")
    need_equal_settings(*inputs["heads"])
    tables = scored(inputs)
    curves = heads(inputs["heads"], tables)
    last = at_end(curves).merge(_turns(curves), on=["seed", "head"])
    strong = at_end(pd.concat(map(estimates, inputs["heads_strong"])))
    strong = strong.rename(columns={"lambda_hat": "lambda_hat_strong"})
    last = last.merge(strong[["seed", "head", "lambda_hat_strong"]], on=["seed", "head"])
    last["simple"] = last["type"].isin(SIMPLE)
    looks = np.where(last["layer"] == 0, last["previous_token"], last["prefix"])
    last["attends"] = looks >= wanted.attention
    scores = pd.concat(map(head_scores, tables))
    seeds = [rows for _, rows in last.groupby("seed")]

    def over_seeds(group: str, column: str) -> Measured:
        found = [_over(rows, group, column) for rows in seeds]
        doubt = "" if np.isfinite(found).all() else f"a seed has heads of one kind only, by {group}"
        return doubtful(mean_of(found), doubt)

    copying = [
        rank_correlation(rows["lambda_hat"].to_numpy(), rows["ablation_repeated"]) for rows in seeds
    ]
    found = {
        "simple_over_storing": over_seeds("simple", "lambda_hat"),
        "simple_over_storing_attention": over_seeds("attends", "lambda_hat"),
        "simple_over_storing_strong": over_seeds("simple", "lambda_hat_strong"),
        "simple_over_storing_trace": over_seeds("simple", "hessian_trace"),
        "copying_correlation": mean_of(copying),
        **_timing(curves, last, scores),
    }
    doubt = not_stationary(curves["rhat"])
    return last, {name: doubtful(number, number.doubt or doubt) for name, number in found.items()}


def _over(rows: pd.DataFrame, group: str, column: str) -> float:
    """Mean of the group over that of the others, less 1."""
    chosen = rows[group].to_numpy(dtype=bool)
    if chosen.all() or not chosen.any():
        return float("nan")
    values = rows[column].to_numpy()
    return float(values[chosen].mean() / values[~chosen].mean() - 1)


def _turns(curves: pd.DataFrame) -> pd.DataFrame:
    """seed, head, peak (step of the largest estimate) and fall from it, in standard errors."""
    rows = []
    for (seed, head), curve in curves.sort_values("step").groupby(["seed", "head"]):
        top, end = curve.iloc[int(curve["lambda_hat"].to_numpy().argmax())], curve.iloc[-1]
        error = np.hypot(top["standard_error"], end["standard_error"])
        fall = (top["lambda_hat"] - end["lambda_hat"]) / error if error > 0 else 0.0
        rows.append({"seed": seed, "head": head, "peak": top["step"], "fall": fall})
    return pd.DataFrame(rows)


def half_rise(steps: np.ndarray, scores: np.ndarray) -> float:
    """Step at which a score is last below halfway between its first and last value, interpolated
    in the logarithm of the step."""
    level = (scores[0] + scores[-1]) / 2
    before = int(np.flatnonzero(scores < level)[-1]) if (scores < level).any() else 0
    if before + 1 == len(scores):
        return float("nan")
    share = (level - scores[before]) / (scores[before + 1] - scores[before])
    ends = np.log(np.maximum(steps[before : before + 2], 1))
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))


def _timing(curves: pd.DataFrame, last: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Measured]:
    falls, times, rises = [], [], []
    for seed, rows in last.groupby("seed"):
        later = rows[rows["layer"] > 0]
        induction = later.iloc[int(later["prefix"].to_numpy().argmax())]
        path = scores[(scores["seed"] == seed) & (scores["head"] == induction["head"])]
        path = path.sort_values("step")
        half = half_rise(path["step"].to_numpy(), path["prefix"].to_numpy())
        falls.append(induction["fall"])
        times.append(np.log2(max(induction["peak"], 1) / half))
        early = curves[(curves["seed"] == seed) & (curves["step"] <= half)]
        rising = [
            rank_correlation(curve["step"].to_numpy(), curve["lambda_hat"])
            for _, curve in early.groupby("head")
        ]
        rises.append(float(np.mean(rising)) if rising else float("nan"))
    storing = last.loc[~last["simple"], "fall"]
    few = "" if len(storing) else "no head stores patterns"
    return {
        "induction_fall": exact(float(np.median(falls)), len(falls)),
        "storing_fall": doubtful(exact(float(storing.median()), len(storing)), few),
        "peak_time": mean_of(times),
        "rise_together": mean_of(rises),
    }

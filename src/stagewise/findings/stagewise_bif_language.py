"""Claim C6: influence between classes of tokens along training, beside what is learned when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.crossings import part_way
from stagewise.estimators.group_influence import group_correlation, group_covariance
from stagewise.estimators.influence import Estimate
from stagewise.findings.measured import Measured, doubtful, exact, mean_of, not_stationary
from stagewise.findings.stagewise_bif_clock import first_at_least, geometric_mean, onset
from stagewise.settings import SettingsError, build
from stagewise.testbeds.synthetic_language import mixed, of_class

GROUPS = {
    "bigram": "markov",
    "induction": "repeated",
    "unforeseen": "first copy",
    "opening": "opening",
    "closing": "closing",
}
"""Classes of tokens, by what foretells them -> their names in the language."""
MEASURES = ("covariance", "correlation")


@dataclass(frozen=True)
class Settings:
    """When induction begins, and how uncertainty is found."""

    gap: float
    """Share of the final induction gap (loss on blocks' first copies less that on the later ones)
    that the first checkpoint of induction exceeds."""
    blocks: int
    """Stretches that each chain is cut into, for errors."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Group influence of the classes at every checkpoint.

    inputs   per seed: `draws` with traces of the observable `mixed`, and `behaviour`
    returns  one row per seed, checkpoint and pair of classes (first, second): covariance and
             correlation (minus the influence) with errors, pooled (the covariance about the mean of
             all chains), shuffled (with the draws of every token in an order of their own),
             loss_rise (of the mixed tokens, relative), trend (share of the variance of that loss
             that is a linear trend along each chain), gap and onset of induction, brackets (step of
             the half-fall of the loss of closing brackets). Statistics, `language_` and then, of
             the covariance, or of the correlation as `correlation_...`; ratios are geometric means
             over seeds:
               induction_peak      greatest |induction, induction| over its median before onset
               induction_time      first step with half of that, over the step of the onset (one
                                   added to both)
               induction_end       the last |induction, induction| over the greatest
               bigram_time         first step with half of the greatest |bigram, bigram|, over that
                                   of induction
               bigram_fall         greatest |bigram, bigram| before the onset over the last there
               closing_peak        as induction_peak, of closing brackets (control)
               unforeseen_peak     of blocks' first copies, over that of induction (control)
               untrained, bigram_untrained     the first over the greatest, of induction and of
                                   bigrams (controls)
               shuffled            greatest |shuffled| over the greatest, induction (control)
               delimiters_early, delimiters_late   of opening with closing brackets, mean over the
                                   checkpoints after the start until the loss of closing brackets
                                   has half fallen, and from there on; mean over seeds
               loss_rise, trend, pooled    medians over seeds and checkpoints from the onset on; the
                                   last over the covariance, of induction
    """
    wanted = build(Settings, settings, "papers.stagewise_bif.language")
    runs = [
        _curves(draws, behaviour, wanted, seed)
        for seed, (draws, behaviour) in enumerate(
            zip(inputs["draws"], inputs["behaviour"], strict=True)
        )
    ]
    table = pd.concat(runs, ignore_index=True)
    found: dict[str, Measured] = {}
    for measure_of in MEASURES:
        prefix = "" if measure_of == "covariance" else f"{measure_of}_"
        found |= {f"{prefix}{name}": value for name, value in _times(runs, measure_of).items()}
    later = table[(table["step"] >= table["onset"]) & _pair(table, "induction", "induction")]
    found |= {
        "shuffled": mean_of(
            [_greatest(rows, "shuffled") / _greatest(rows, "covariance") for rows in runs]
        ),
        "loss_rise": exact(float(later["loss_rise"].median()), len(runs)),
        "trend": exact(float(later["trend"].median()), len(runs)),
        "pooled": exact(float((later["pooled"] / later["covariance"]).median()), len(runs)),
    }
    doubt = not_stationary(np.concatenate([one.rhat.values.ravel() for one in inputs["draws"]]))
    return table, {f"language_{name}": doubtful(number, doubt) for name, number in found.items()}


def _curves(
    draws: xr.Dataset, behaviour: pd.DataFrame, wanted: Settings, number: int
) -> pd.DataFrame:
    """The table of one run."""
    text = mixed(json.loads(draws.attrs["provenance"])["settings"]["model"])
    chosen = np.stack([of_class(text, name).numpy() for name in GROUPS.values()])
    gap = behaviour["loss_first_copy"] - behaviour["loss_repeated"]
    began = onset(behaviour["step"], gap, wanted.gap)
    random = np.random.default_rng(number)
    rows = []
    for place, step in enumerate(draws["step"].values):
        losses = np.asarray(draws["mixed_loss"][place, 0].values, dtype=np.float64)
        if losses.shape[2:] != chosen.shape[1:]:
            raise SettingsError(f"mixed: {losses.shape[2:]} tokens, expected {chosen.shape[1:]}")
        centre = float(draws["mixed_loss_at_centre"][place].mean())
        mean = losses.mean((2, 3))
        common = {
            "seed": draws.attrs["seed"],
            "step": int(step),
            "onset": began,
            "brackets": part_way(behaviour["step"], behaviour["loss_closing"]),
            "gap": float(gap[behaviour["step"] == step].iloc[0]),
            "loss_rise": float(mean.mean()) / centre - 1,
            "trend": _trend(mean),
        }
        found = {
            "covariance": group_covariance(losses, chosen, blocks=wanted.blocks),
            "correlation": group_correlation(losses, chosen, blocks=wanted.blocks),
            "pooled": group_covariance(losses, chosen, pooled=True),
            "shuffled": group_covariance(random.permuted(losses, axis=1), chosen),
        }
        rows += _pairs(common, found)
    return pd.DataFrame(rows)


def _pairs(common: Mapping[str, Any], found: Mapping[str, Estimate]) -> list[dict[str, Any]]:
    names = list(GROUPS)
    return [
        {**common, "first": names[a], "second": names[b]}
        | {name: float(estimate.value[a, b]) for name, estimate in found.items()}
        | {f"{name}_error": float(found[name].error[a, b]) for name in MEASURES}
        for a in range(len(names))
        for b in range(a, len(names))
    ]


def _trend(mean: NDArray[np.float64]) -> float:
    """Share of the variance of (chain, draw) within chains that is linear in the draw."""
    time = np.arange(mean.shape[1]) - (mean.shape[1] - 1) / 2
    apart = mean - mean.mean(1, keepdims=True)
    linear = (apart @ time) ** 2 / (time @ time)
    return float(linear.sum() / (apart**2).sum())


def _pair(rows: pd.DataFrame, first: str, second: str) -> "pd.Series[bool]":
    return (rows["first"] == first) & (rows["second"] == second)


def _curve(rows: pd.DataFrame, name: str, of: str) -> pd.DataFrame:
    """Step, onset and the absolute influence of a class on itself."""
    own = rows[_pair(rows, name, name)].sort_values("step")
    return own[["step", "onset"]].assign(size=own[of].abs())


def _greatest(rows: pd.DataFrame, of: str) -> float:
    return float(_curve(rows, "induction", of)["size"].max())


def _peak(rows: pd.DataFrame, name: str, of: str) -> float:
    """The greatest over the median before induction begins."""
    curve = _curve(rows, name, of)
    before = curve.loc[curve["step"] < curve["onset"], "size"]
    return float(curve["size"].max() / before.median())


def _half(rows: pd.DataFrame, name: str, of: str) -> float:
    curve = _curve(rows, name, of)
    return first_at_least(curve["step"], curve["size"], curve["size"].max() / 2)


def _times(runs: Sequence[pd.DataFrame], of: str) -> dict[str, Measured]:
    induction = [_half(rows, "induction", of) for rows in runs]
    begins = [float(rows["onset"].iloc[0]) for rows in runs]
    bigram = [_half(rows, "bigram", of) for rows in runs]
    curves = [_curve(rows, "induction", of)["size"].to_numpy() for rows in runs]
    bigrams = [_curve(rows, "bigram", of)["size"].to_numpy() for rows in runs]
    peaks = np.array([_peak(rows, "induction", of) for rows in runs])
    unforeseen = np.array([_peak(rows, "unforeseen", of) for rows in runs])
    early, late = zip(*(_delimiters(rows, of) for rows in runs), strict=True)
    return {
        "induction_peak": geometric_mean(peaks),
        "induction_time": geometric_mean((np.asarray(induction) + 1) / (np.asarray(begins) + 1)),
        "induction_end": geometric_mean([curve[-1] / curve.max() for curve in curves]),
        "bigram_time": geometric_mean((np.asarray(bigram) + 1) / (np.asarray(induction) + 1)),
        "bigram_fall": geometric_mean([_fall(rows, of) for rows in runs]),
        "closing_peak": geometric_mean([_peak(rows, "closing", of) for rows in runs]),
        "unforeseen_peak": geometric_mean(unforeseen / peaks),
        "untrained": geometric_mean([curve[0] / curve.max() for curve in curves]),
        "bigram_untrained": geometric_mean([curve[0] / curve.max() for curve in bigrams]),
        "delimiters_early": mean_of(early),
        "delimiters_late": mean_of(late),
    }


def _fall(rows: pd.DataFrame, of: str) -> float:
    """The greatest influence of bigrams before induction begins over what is left of it then."""
    curve = _curve(rows, "bigram", of)
    before = curve.loc[curve["step"] < curve["onset"], "size"].to_numpy()
    return float(before.max() / before[-1]) if len(before) else np.nan


def _delimiters(rows: pd.DataFrame, of: str) -> tuple[float, float]:
    """Of opening with closing brackets, until closing ones are learned and after."""
    both = rows[_pair(rows, "opening", "closing") & (rows["step"] > 0)]
    learned = both["step"] >= both["brackets"]
    return float(both.loc[~learned, of].mean()), float(both.loc[learned, of].mean())

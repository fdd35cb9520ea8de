"""Claim C6: influence between classes of tokens along training, beside what is learned when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stagewise.findings.measured import Measured, mean_of
from stagewise.findings.stagewise_bif_classes import (
    MEASURES,
    batch_ratio,
    checks,
    class_rows,
    delimiters,
    half_step,
    learned,
    left_of,
    named,
    own_curve,
    peak,
    since_onset,
    with_gap,
)
from stagewise.findings.stagewise_bif_clock import geometric_mean
from stagewise.settings import build
from stagewise.testbeds.synthetic_language import mixed, of_class
from stagewise.testbeds.testbed import Points

GROUPS = {
    "bigram": "markov",
    "induction": "repeated",
    "unforeseen": "first copy",
    "opening": "opening",
    "closing": "closing",
}
"""Classes of tokens, by what foretells them -> their names in the language."""


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

    inputs   per seed: `draws` with traces of the observable `mixed`, the same by batches of `twice`
             the size at some checkpoints, and the trajectory, of `runs`
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
               batch_ratio     of induction, over that by batches of twice the size (control)
               loss_rise, trend, pooled    medians over seeds and checkpoints from the onset on; the
                                   last over the covariance, of induction
    """
    wanted = build(Settings, settings, "papers.stagewise_bif.language")
    runs = [
        _curves(draws, twice, run, wanted, number)
        for number, (draws, twice, run) in enumerate(
            zip(inputs["draws"], inputs["twice"], inputs["runs"], strict=True)
        )
    ]
    found: dict[str, Measured] = {}
    for of in MEASURES:
        prefix = "" if of == "covariance" else f"{of}_"
        found |= {f"{prefix}{name}": value for name, value in _times(runs, of).items()}
    found |= checks(runs, "induction")
    return pd.concat(runs, ignore_index=True), named(found, "language", inputs["draws"])


def _curves(
    draws: xr.Dataset, twice: xr.Dataset, run: Points, wanted: Settings, number: int
) -> pd.DataFrame:
    """The table of one run."""
    text = mixed(json.loads(draws.attrs["provenance"])["settings"]["model"])
    classes = {group: of_class(text, name).numpy() for group, name in GROUPS.items()}
    rows = class_rows(draws, classes, blocks=wanted.blocks, number=number)
    return with_gap(rows, run, wanted.gap).assign(
        brackets=learned(draws, classes["closing"]),
        batch_ratio=batch_ratio(rows, twice, classes, "induction", blocks=wanted.blocks),
    )


def _times(runs: list[pd.DataFrame], of: str) -> dict[str, Measured]:
    induction, bigram = (
        np.array([half_step(rows, name, of) for rows in runs]) for name in ("induction", "bigram")
    )
    peaks = np.array([peak(rows, "induction", of) for rows in runs])
    unforeseen = np.array([peak(rows, "unforeseen", of) for rows in runs])
    starts, ends = zip(*(left_of(rows, "induction", of) for rows in runs), strict=True)
    early, late = zip(*(delimiters(rows, ("opening", "closing"), of) for rows in runs), strict=True)
    return {
        "induction_peak": geometric_mean(peaks),
        "induction_time": since_onset(runs, "induction", of),
        "induction_end": geometric_mean(ends),
        "bigram_time": geometric_mean((bigram + 1) / (induction + 1)),
        "bigram_fall": geometric_mean([_fall(rows, of) for rows in runs]),
        "closing_peak": geometric_mean([peak(rows, "closing", of) for rows in runs]),
        "unforeseen_peak": geometric_mean(unforeseen / peaks),
        "untrained": geometric_mean(starts),
        "bigram_untrained": geometric_mean([left_of(rows, "bigram", of)[0] for rows in runs]),
        "delimiters_early": mean_of(early),
        "delimiters_late": mean_of(late),
    }


def _fall(rows: pd.DataFrame, of: str) -> float:
    """The greatest influence of bigrams before induction begins over what is left of it then."""
    curve = own_curve(rows, "bigram", of)
    before = curve.loc[curve["step"] < curve["onset"], "size"].to_numpy()
    return float(before.max() / before[-1]) if len(before) else np.nan

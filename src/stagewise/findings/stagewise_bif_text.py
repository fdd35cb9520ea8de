"""Claim C6 on text: influence between classes of tokens along training, by what token they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.data.tokens import Tokens
from stagewise.estimators.text_classes import TEXT_CLASSES
from stagewise.findings.measured import Measured, mean_of
from stagewise.findings.stagewise_bif_classes import (
    MEASURES,
    batch_ratio,
    checks,
    class_rows,
    delimiters,
    learned,
    named,
    peak,
    since_onset,
    with_gap,
)
from stagewise.findings.stagewise_bif_clock import geometric_mean
from stagewise.findings.text_tokens import known_of
from stagewise.settings import build
from stagewise.testbeds.text import Mixed, mixed

Classes = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Settings:
    """When copying begins, and how uncertainty is found."""

    gap: float
    """Share of the final gap (loss on blocks' first copies less that on the second) that the first
    checkpoint of induction exceeds."""
    blocks: int
    """Stretches that each chain is cut into, for errors."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Group influence of classes of tokens of text at every checkpoint.

    inputs   per seed: `draws` with traces of the observable `mixed`, the same by batches of `twice`
             the size at some checkpoints, and the trajectory, of `runs`; `tokens` of the corpus and
             the texts of its `vocabulary`
    returns  rows as of `class_rows`, of TEXT_CLASSES, and of tokens that are not likely after the
             one before: in a pair that the window has had (induction) or not (unforeseen); all of
             text. copied: of random blocks, from the second copy on. gap, onset (of copying blocks)
             and brackets (step at which the loss of right delimiters has half fallen) beside them.
             Statistics, `text_` and then, of the covariance, or of the correlation as
             `correlation_...`; ratios are geometric means over seeds:
               <class>_peak    greatest |class, class| over its median before the onset, of
                               induction, copied, and of right delimiters as closing (control)
               <class>_time    first step with half of that, over the step of the onset (one added
                               to both), of induction and copied
               unforeseen_peak     over that of induction (control)
               delimiters_early, delimiters_late   of left with right delimiters, mean over the
                               checkpoints after the start until the loss of right ones has half
                               fallen, and from there on; mean over seeds
               shuffled, batch_ratio, loss_rise, trend, pooled   as of `checks`, of induction
    """
    wanted = build(Settings, settings, "papers.stagewise_bif.text")
    corpus, texts = inputs["tokens"][0], inputs["vocabulary"][0]
    runs = []
    for number, (draws, twice, run) in enumerate(
        zip(inputs["draws"], inputs["twice"], inputs["runs"], strict=True)
    ):
        model = json.loads(draws.attrs["provenance"])["settings"]["model"]
        classes = classes_of(mixed(model, corpus), corpus, texts)
        rows = class_rows(draws, classes, blocks=wanted.blocks, number=number)
        runs.append(
            with_gap(rows, run, wanted.gap).assign(
                brackets=learned(draws, classes["right delimiter"]),
                batch_ratio=batch_ratio(rows, twice, classes, "induction", blocks=wanted.blocks),
            )
        )
    found: dict[str, Measured] = {}
    for of in MEASURES:
        prefix = "" if of == "covariance" else f"{of}_"
        found |= {f"{prefix}{name}": value for name, value in _times(runs, of).items()}
    found |= checks(runs, "induction")
    return pd.concat(runs, ignore_index=True), named(found, "text", inputs["draws"])


def classes_of(text: Mixed, corpus: Tokens, texts: list[str]) -> Classes:
    """Tokens (sequence, position) of every class."""
    known = known_of(text, corpus, texts)
    shape = text.tokens[:, 1:].shape
    written = (text.sizes == 0)[:, None]
    kind = known.kind.reshape(shape)
    again = np.arange(shape[1]) >= text.sizes[:, None]
    return {
        **{name: written & (kind == place) for place, name in enumerate(TEXT_CLASSES)},
        "induction": written & known.induction.reshape(shape),
        "unforeseen": written & known.unforeseen.reshape(shape),
        "copied": ~written & again,
    }


def _times(runs: list[pd.DataFrame], of: str) -> dict[str, Measured]:
    peaks = {
        name: np.array([peak(rows, name, of) for rows in runs])
        for name in ("induction", "copied", "right delimiter", "unforeseen")
    }
    pair = ("left delimiter", "right delimiter")
    early, late = zip(*(delimiters(rows, pair, of) for rows in runs), strict=True)
    return {
        "induction_peak": geometric_mean(peaks["induction"]),
        "copied_peak": geometric_mean(peaks["copied"]),
        "closing_peak": geometric_mean(peaks["right delimiter"]),
        "unforeseen_peak": geometric_mean(peaks["unforeseen"] / peaks["induction"]),
        "induction_time": since_onset(runs, "induction", of),
        "copied_time": since_onset(runs, "copied", of),
        "delimiters_early": mean_of(early),
        "delimiters_late": mean_of(late),
    }

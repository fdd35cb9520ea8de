"""The same development on text: bigrams, positions, previous-token and induction heads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.developmental_landscape_heads import best_heads, time_of
from stagewise.findings.measured import Measured, exact

COLUMNS = [
    "seed",
    "step",
    "loss",
    "loss_repeated",
    "loss_first",
    "loss_first_copy",
    "loss_second_copy",
    "loss_no_positions",
    "bigram_gap",
    "ngram_3",
    "ngram_4",
    "previous_token",
    "prefix",
]


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Scores at every checkpoint.

    inputs    behaviour: scores of the checkpoints of each seed
    table     one row per checkpoint

    What is to hold in every seed is that of the worst of them.
    """
    runs = [best_heads(rows) for rows in inputs["behaviour"]]
    found = [_run(rows) for rows in runs]
    table = pd.concat([rows.reindex(columns=COLUMNS) for rows in runs], ignore_index=True)
    worst = {
        name: exact(pick([one[name] for one in found]), n=len(runs)) for name, pick in PICKS.items()
    }
    return table, worst


PICKS = {
    "text_second_copy": np.max,
    "text_transfer": np.max,
    "text_previous_token": np.min,
    "text_prefix": np.min,
    "text_previous_over_prefix_time": np.max,
    "text_bigram_minimum_prefix": np.max,
    "text_bigram_gap": np.max,
    "text_positions": np.min,
    "text_ngram_4": np.min,
    "control_text_untrained_transfer": np.min,
    "control_text_untrained_prefix": np.max,
}
"""Statistic -> which seed is the worst; `max` and `min` of a number that is none is none."""


def _run(rows: pd.DataFrame) -> dict[str, float]:
    """The statistics of one run; see the page for what each is held against."""
    start, last = rows.iloc[0], rows.iloc[-1]
    at_minimum = rows.iloc[int(rows["bigram_gap"].argmin())]
    before_induction = rows["step"] <= time_of(rows, "prefix")
    return {
        "text_second_copy": float(last["loss_second_copy"]),
        "text_transfer": float(last["loss_repeated"] - last["loss_first"]),
        "text_previous_token": float(last["previous_token"]),
        "text_prefix": float(last["prefix"]),
        "text_previous_over_prefix_time": time_of(rows, "previous_token") / time_of(rows, "prefix"),
        "text_bigram_minimum_prefix": float(at_minimum["prefix"] / last["prefix"]),
        "text_bigram_gap": float(rows.loc[before_induction, "bigram_gap"].min()),
        "text_positions": float(last["loss_no_positions"] - last["loss"]),
        "text_ngram_4": float(last["ngram_4"]),
        "control_text_untrained_transfer": float(start["loss_repeated"] - start["loss_first"]),
        "control_text_untrained_prefix": float(start["prefix"]),
    }

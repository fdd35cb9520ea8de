"""What the language model learns, in which order: bigrams, positions, and two kinds of heads."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from stagewise.estimators.crossings import last_crossing
from stagewise.findings.developmental_landscape_heads import best_heads, time_of
from stagewise.findings.measured import Measured, exact

EXCESS = 0.05
"""Nats by which a loss without positions must exceed the other for positions to be in use."""
ORDERED = ("bigrams", "positions", "previous_token", "prefix")
"""Abilities in the order in which they are to appear."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Scores at every checkpoint and the order in which abilities appear.

    inputs    behaviour: scores of the checkpoints of each seed
    settings  ordinary: tokens of the repeated blocks; permutations, of the control
    table     kind `checkpoint`: the losses and scores that the figure shows; kind `time`: for each
              seed and ability the step at which it is half there

    What is to hold in every seed is that of the worst of them.
    """
    runs = [_scored(rows) for rows in inputs["behaviour"]]
    times = [milestone_times(rows) for rows in runs]
    table = pd.concat(
        [
            *(rows.reindex(columns=COLUMNS).assign(kind="checkpoint") for rows in runs),
            pd.DataFrame(
                [
                    {"kind": "time", "seed": rows["seed"].iloc[0], "name": name, "step": step}
                    for rows, found in zip(runs, times, strict=True)
                    for name, step in found.items()
                ]
            ),
        ],
        ignore_index=True,
    )
    return table, {
        **_bigrams(runs, times),
        **_positions(runs),
        **_heads(runs, times, chance=float(np.log(settings["ordinary"]))),
        **_order(runs, times, permutations=settings["permutations"]),
    }


COLUMNS = [
    "seed",
    "step",
    "loss_mixture",
    "loss_markov",
    "loss_first_copy",
    "loss_repeated",
    "loss_triggered",
    "loss_closing",
    "excess",
    "excess_repeated",
    "bigram_gap",
    "ngram_3",
    "ngram_4",
    "icl",
    "previous_token",
    "prefix",
    "entropy_unigram",
    "entropy_bigram",
    "entropy_rate",
]


def _scored(behaviour: pd.DataFrame) -> pd.DataFrame:
    rows = best_heads(behaviour)
    return rows.assign(
        excess=rows["loss_no_positions"] - rows["loss_mixture"],
        excess_repeated=rows["loss_no_positions_repeated"] - rows["loss_repeated"],
    )


def milestone_times(rows: pd.DataFrame) -> dict[str, float]:
    """The step of each ability: half-way from the first checkpoint to the last, of positions the
    last time below EXCESS, of bigrams the half-fall of the loss on the chain."""
    return {
        "bigrams": time_of(rows, "loss_markov"),
        "positions": last_crossing(rows["step"], rows["excess"], EXCESS),
        "previous_token": time_of(rows, "previous_token"),
        "prefix": time_of(rows, "prefix"),
        "copying": time_of(rows, "loss_repeated"),
        "icl": time_of(rows, "icl"),
    }


def _worst(
    pick: Callable[[list[float]], float],
    of: Callable[[pd.DataFrame], float],
    runs: Sequence[pd.DataFrame],
) -> Measured:
    """`pick` (max or min) over the runs of a number of each; not a number where one is none."""
    values = [float(of(rows)) for rows in runs]
    return exact(np.nan if np.isnan(values).any() else pick(values), n=len(values))


def _bigrams(
    runs: Sequence[pd.DataFrame], times: Sequence[Mapping[str, float]]
) -> dict[str, Measured]:
    smallest = [
        float(rows.loc[rows["step"] <= found["prefix"], "bigram_gap"].min())
        for rows, found in zip(runs, times, strict=True)
    ]
    return {
        "language_bigram_gap": exact(np.max(smallest), n=len(runs)),
        "language_bigram_minimum_prefix": _worst(max, _prefix_at_minimum, runs),
        "language_below_entropy": _worst(
            min,
            lambda rows: (
                (rows["loss_markov"] - rows["entropy_rate"]) / rows["loss_markov_error"]
            ).min(),
            runs,
        ),
        "control_language_untrained_gap": _worst(
            min, lambda rows: rows["bigram_gap"].iloc[0], runs
        ),
        "language_ngram_3": _worst(min, lambda rows: rows["ngram_3"].iloc[-1], runs),
        "language_ngram_4": _worst(min, lambda rows: rows["ngram_4"].iloc[-1], runs),
    }


def _prefix_at_minimum(rows: pd.DataFrame) -> float:
    """The best prefix score where the bigram gap is smallest, as a share of its final value."""
    return float(rows["prefix"].iloc[int(rows["bigram_gap"].argmin())] / rows["prefix"].iloc[-1])


def _positions(runs: Sequence[pd.DataFrame]) -> dict[str, Measured]:
    def early(rows: pd.DataFrame) -> float:
        """Largest |excess| up to the first checkpoint with half of the bigrams."""
        half = (rows["entropy_unigram"] + rows["entropy_bigram"]) / 2
        below = np.flatnonzero(rows["loss_markov"] < half)
        return float(rows["excess"].abs()[: below[0] + 1].max()) if len(below) else np.nan

    return {
        "language_positions_early": _worst(max, early, runs),
        "language_positions_end": _worst(min, lambda rows: rows["excess_repeated"].iloc[-1], runs),
    }


def _heads(
    runs: Sequence[pd.DataFrame], times: Sequence[Mapping[str, float]], *, chance: float
) -> dict[str, Measured]:
    ratios = [found["previous_token"] / found["prefix"] for found in times]

    def gained(rows: pd.DataFrame) -> float:
        """The share of the final ICL score that comes after the previous-token heads."""
        before = np.interp(
            np.log1p(time_of(rows, "previous_token")), np.log1p(rows["step"]), rows["icl"]
        )
        return float(1 - before / rows["icl"].iloc[-1])

    return {
        "language_previous_token": _worst(min, lambda rows: rows["previous_token"].iloc[-1], runs),
        "language_prefix": _worst(min, lambda rows: rows["prefix"].iloc[-1], runs),
        "language_previous_over_prefix_time": exact(np.max(ratios), n=len(runs)),
        "language_copying": _worst(max, lambda rows: rows["loss_repeated"].iloc[-1] / chance, runs),
        "language_icl": _worst(max, lambda rows: rows["icl"].iloc[-1], runs),
        "language_icl_with_induction": _worst(min, gained, runs),
        "control_language_untrained_previous_token": _worst(
            max, lambda rows: rows["previous_token"].iloc[0], runs
        ),
        "control_language_untrained_prefix": _worst(max, lambda rows: rows["prefix"].iloc[0], runs),
        "control_language_untrained_copying": _worst(
            min, lambda rows: rows["loss_repeated"].iloc[0] / chance, runs
        ),
    }


def _in_order(*steps: float) -> bool:
    return all(first <= second for first, second in pairwise(steps))


def _order(
    runs: Sequence[pd.DataFrame], times: Sequence[Mapping[str, float]], *, permutations: int
) -> dict[str, Measured]:
    """Shares of the seeds in which bigrams, previous-token heads and induction come in this order,
    with bigrams dated by the smallest gap (as in the paper) and by the half-fall of the loss."""
    smallest = [float(rows["step"].iloc[int(rows["bigram_gap"].argmin())]) for rows in runs]
    later = [(found["previous_token"], found["prefix"]) for found in times]
    by_gap = [_in_order(gap, *rest) for gap, rest in zip(smallest, later, strict=True)]
    whole = [_in_order(*(found[name] for name in ORDERED)) for found in times]
    orders = {tuple(sorted(ORDERED, key=found.__getitem__)) for found in times}
    n = len(runs)
    return {
        "language_order_by_gap": exact(float(np.mean(by_gap)), n=n),
        "language_order": exact(float(np.mean(whole)), n=n),
        "language_orders": exact(len(orders), n=n),
        "control_language_shuffled_order": exact(_shuffled(runs, permutations), n=n),
    }


def _shuffled(runs: Sequence[pd.DataFrame], permutations: int) -> float:
    """Share in the order when the checkpoints between the first and the last are in random order,
    independently for each score."""
    random = np.random.default_rng(0)
    hits = []
    for rows in runs:
        for _ in range(permutations):
            mixed = rows.copy()
            for column in ("loss_markov", "excess", "previous_token", "prefix"):
                mixed.loc[1 : len(rows) - 2, column] = random.permutation(
                    rows[column].to_numpy()[1:-1]
                )
            found = [
                time_of(mixed, "loss_markov"),
                last_crossing(mixed["step"], mixed["excess"], EXCESS),
                time_of(mixed, "previous_token"),
                time_of(mixed, "prefix"),
            ]
            hits.append(_in_order(*found))
    return float(np.mean(hits))

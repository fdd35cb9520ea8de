"""Claim C4: the order in which patterns of tokens come to stand apart in the cloud."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.resampled_sequences import ranking
from stagewise.estimators.separability import logistic_scores
from stagewise.findings.measured import Measured, doubtful, share_of
from stagewise.findings.token_patterns import (
    MATRICES,
    NAMES,
    Tokens,
    interval,
    matrices,
    tokens_of,
    unreliable,
)
from stagewise.settings import build

Array = NDArray[np.float64]

AGAINST = ("others", "unforeseen")
"""What a pattern is told from: all other tokens, or those of blocks' first copies, which differ
from repeated tokens in nothing but what came before."""
TIMED = ("bigram", "induction")
"""Patterns whose order is asked for."""


@dataclass(frozen=True)
class Settings:
    """When a pattern can be told, and how uncertainty is found."""

    model: dict[str, Any]
    told: float
    """Area under the curve from which on it is."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """When patterns can be told.

    inputs   susceptibilities `along` training, of each followed seed
    returns  one row per seed, step, matrix, against (in AGAINST) and pattern (of all seeds but
             the first, those in TIMED): ranking, the area under the curve of a linear logistic fit
             to other sequences. Statistics, of the restricted matrix or as `_two_chain` and
             `_residual`:
               order_bigram_first     log2 of the step at which bigrams are told from all others
                                      over that of induction tokens (one added to both), first seed,
                                      with intervals over sequences
               order_bigram_first_unforeseen   both told from unforeseen tokens
               order_seeds            share of the seeds followed with the first below 0
    """
    wanted = build(Settings, settings, "papers.embryology.order")
    runs = inputs["along"]
    tokens = tokens_of(runs[0], wanted.model)
    weights = tokens.weights(repeats=wanted.bootstrap, seed=0)
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    told = [
        _told(along, tokens, weights, TIMED if number else NAMES)
        for number, along in enumerate(runs)
    ]
    doubts = [unreliable(one.isel(checkpoint=-1)) for one in runs]
    tables = [
        pd.DataFrame(
            {"matrix": name, "against": against, "pattern": pattern}
            | {"step": along["step"].values, "ranking": curve[:, 0], "seed": along.attrs["seed"]}
        )
        for along, curves in zip(runs, told, strict=True)
        for (name, against, pattern), curve in curves.items()
    ]
    found: dict[str, Measured] = {}
    for name in MATRICES:
        suffix = "" if name == "restricted" else f"_{name}"
        ratios = {
            against: [
                _ratio(curves, along["step"].values, (name, against), wanted.told)
                for along, curves in zip(runs, told, strict=True)
            ]
            for against in AGAINST
        }
        first = {key: interval(r[0][0], r[0][1:], len(tokens.source)) for key, r in ratios.items()}
        hits = sum(ratio[0] < 0 for ratio in ratios["others"])
        numbers = {
            "bigram_first": first["others"],
            "bigram_first_unforeseen": first["unforeseen"],
            "seeds": share_of(hits, len(runs)),
        }
        for key, number in numbers.items():
            of = doubts if key == "seeds" else doubts[:1]
            doubt = "" if name == "two_chain" else next(filter(None, of), "")
            found[f"order_{key}{suffix}"] = doubtful(number, doubt)
    return pd.concat(tables, ignore_index=True), found


Curves = dict[tuple[str, str, str], Array]
"""(matrix, against, pattern) -> area under the curve, (checkpoint, repeat)."""


def _told(along: xr.Dataset, tokens: Tokens, weights: Array, patterns: tuple[str, ...]) -> Curves:
    """How well each of the patterns can be told at every checkpoint of a run."""
    unforeseen = tokens.of("unforeseen")
    found: dict[tuple[str, str, str], list[Array]] = {}
    for place in range(along.sizes["checkpoint"]):
        for name, columns in matrices(along.isel(checkpoint=place)).items():
            for pattern in patterns:
                chosen = tokens.of(pattern)
                every = np.ones_like(chosen)
                among = {"others": every, "unforeseen": chosen | unforeseen}
                for against, rows in among.items():
                    if pattern == against:
                        continue
                    scores = logistic_scores(columns[rows], chosen[rows], tokens.sequence[rows])
                    area = ranking(scores, chosen[rows], weights[:, rows])
                    found.setdefault((name, against, pattern), []).append(area)
    return {key: np.array(values) for key, values in found.items()}


def _ratio(
    curves: Curves, steps: NDArray[np.int64], of: tuple[str, str], level: float
) -> NDArray[np.float64]:
    """(repeat,) log2 of the first step of bigrams over that of induction tokens; not a number where
    either is never told."""
    first = {}
    for pattern in TIMED:
        reached = curves[(*of, pattern)] >= level
        first[pattern] = np.where(reached.any(0), steps[reached.argmax(0)], np.nan) + 1
    return np.asarray(np.log2(first["bigram"] / first["induction"]))

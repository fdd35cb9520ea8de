"""Claim C3: the cloud of susceptibilities thickens as induction forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.resampled_sequences import ranking, separation
from stagewise.estimators.response_matrix import principal_components
from stagewise.estimators.separability import balanced_accuracy, equal_parts
from stagewise.findings.measured import (
    Measured,
    doubtful,
    mean_of,
    rank_correlation,
)
from stagewise.findings.stagewise_bif_clock import onset
from stagewise.findings.token_patterns import (
    MATRICES,
    NAMES,
    Tokens,
    agreement,
    flat,
    guessed,
    heads,
    interval,
    matrices,
    tokens_of,
    unreliable,
)
from stagewise.settings import build

Array = NDArray[np.float64]

CANDIDATES = {"two_chain": (1, 2), "restricted": (0, 1, 2), "residual": (0, 1, 2)}
"""Axes, from 0, of which the one that tells induction tokens best is the dorsal-ventral one: the
second or third; without the term of rank one, which makes the first, any of three."""


@dataclass(frozen=True)
class Settings:
    """When induction begins, and how uncertainty is found."""

    model: dict[str, Any]
    gap: float
    """Share of the final induction gap (loss on blocks' first copies less that on the later ones)
    that the first checkpoint of induction exceeds."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """How far induction tokens lie apart along training.

    inputs   susceptibilities `along` training, of each followed seed, and its `behaviour`; those of
             every seed at its `end`
    returns  rows of kind axis (by seed, step and matrix: axis, the number of the dorsal-ventral
             one; separation |D| of induction tokens along it, with low and high; ranking, its area
             under the curve; thickness2 and thickness3, deviations of the second and third scores
             over that of the first; accuracy of all patterns; reliability of the columns; negative,
             the share of heads along whose chains the loss falls; hits and loss, the mean
             probability and loss of induction tokens), of kind head (by seed, step, head and
             pattern: mean of the restricted column of deviation one) and of kind behaviour (the
             induction gap at all checkpoints, and onset). Statistics, of the restricted matrix or
             as `_two_chain` and `_residual`:
               development_separation   |D| at the end, mean over seeds
               development_before       |D| at the last checkpoint before onset over the last |D|
               development_time         checkpoints from the largest increase of |D| to the steepest
                                        fall of the loss of induction tokens, without sign
               development_order        Spearman's correlation of |D| and their probability
             All but the first are of the first seed followed, with intervals over sequences, axes
             held.
    """
    wanted = build(Settings, settings, "papers.embryology.development")
    ends = [one.isel(checkpoint=-1) for one in inputs["end"]]
    tokens = tokens_of(ends[0], wanted.model)
    weights = tokens.weights(repeats=wanted.bootstrap, seed=0)
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    tables, paths = [], []
    for along, behaviour in zip(inputs["along"], inputs["behaviour"], strict=True):
        gaps = behaviour["loss_first_copy"] - behaviour["loss_repeated"]
        began = onset(behaviour["step"], gaps, wanted.gap)
        known = pd.DataFrame({"kind": "behaviour", "step": behaviour["step"], "gap": gaps})
        path, rows = _followed(along, tokens, weights, began)
        paths.append(path)
        tables.append(pd.concat([rows, known.assign(onset=began)]).assign(seed=along.attrs["seed"]))
    doubt = next(filter(None, map(unreliable, ends)), "")
    path_doubt = unreliable(inputs["along"][0].isel(checkpoint=-1))
    found: dict[str, Measured] = {}
    for name in MATRICES:
        apart = mean_of([abs(_dorsal(matrices(end)[name], tokens, name)[1]) for end in ends])
        numbers = {"separation": doubtful(apart, apart.doubt or doubt)} | {
            key: doubtful(number, path_doubt)
            for key, number in _circuit(paths[0], name, len(tokens.source)).items()
        }
        suffix = "" if name == "restricted" else f"_{name}"
        found |= {
            f"development_{key}{suffix}": doubtful(number, "") if name == "two_chain" else number
            for key, number in numbers.items()
        }
    return pd.concat(tables, ignore_index=True), found


@dataclass(frozen=True)
class Path:
    """One run along its checkpoints; the first of `repeat` is of all sequences once."""

    steps: NDArray[np.int64]
    onset: float
    loss: Array
    """(checkpoint, repeat) mean of induction tokens, nats"""
    hits: Array
    """(checkpoint, repeat) their mean probability"""
    separation: dict[str, Array]
    """matrix -> |D| of induction tokens, (checkpoint, repeat)"""


def _dorsal(columns: Array, tokens: Tokens, name: str) -> tuple[int, float, Array]:
    """Of a matrix (token, head): number of the dorsal-ventral axis, D of induction tokens along it
    and the scores."""
    _, scores, _ = principal_components(columns)
    induction = tokens.of("induction")
    areas = [abs(float(ranking(scores[:, axis], induction)[0]) - 0.5) for axis in CANDIDATES[name]]
    axis = CANDIDATES[name][int(np.argmax(areas))]
    return axis, float(separation(scores[:, axis], induction)[0]), scores[:, axis]


def _followed(
    along: xr.Dataset, tokens: Tokens, weights: Array, began: float
) -> tuple[Path, pd.DataFrame]:
    """One run: its statistics on resampled sequences, and its rows of the table."""
    induction = tokens.of("induction")
    places = equal_parts(tokens.pattern, seed=0)
    rows: list[dict[str, Any]] = []
    loss, hits = [], []
    apart: dict[str, list[Array]] = {name: [] for name in MATRICES}
    for place, step in enumerate(along["step"].values):
        one = along.isel(checkpoint=place)
        losses = flat(one["loss_at_centre"])
        counts = weights[:, induction].sum(1)
        loss.append(weights[:, induction] @ losses[induction] / counts)
        hits.append(weights[:, induction] @ np.exp(-losses[induction]) / counts)
        agree = float(np.median(agreement(one)))
        falls = float((one["rise"].sel(component=heads(one)) < 0).mean())
        for name, columns in matrices(one).items():
            axis, _, scores = _dorsal(columns, tokens, name)
            apart[name].append(np.abs(separation(scores, induction, weights)))
            shares = principal_components(columns)[0]
            accuracy = balanced_accuracy(tokens.pattern[places], guessed(columns, tokens, places))
            low, high = np.quantile(apart[name][-1], [0.05, 0.95])
            rows.append(
                {
                    "step": int(step),
                    "matrix": name,
                    "kind": "axis",
                    "axis": axis + 1,
                    "separation": apart[name][-1][0],
                    "low": low,
                    "high": high,
                    "ranking": float(ranking(scores, induction)[0]),
                    "thickness2": float(np.sqrt(shares[1] / shares[0])),
                    "thickness3": float(np.sqrt(shares[2] / shares[0])),
                    "accuracy": float(accuracy[0]),
                    "reliability": agree,
                    "negative": falls,
                    "hits": hits[-1][0],
                    "loss": loss[-1][0],
                }
            )
        rows += _means(one, tokens, int(step))
    path = Path(
        along["step"].values,
        began,
        np.array(loss),
        np.array(hits),
        {name: np.array(values) for name, values in apart.items()},
    )
    return path, pd.DataFrame(rows)


def _means(one: xr.Dataset, tokens: Tokens, step: int) -> list[dict[str, Any]]:
    """Mean over the tokens of each pattern of each head's restricted column."""
    columns = matrices(one)["restricted"]
    return [
        {
            "kind": "head",
            "step": step,
            "head": head,
            "pattern": name,
            "mean": float(column[tokens.of(name)].mean()),
        }
        for head, column in zip(heads(one), columns.T, strict=True)
        for name in NAMES
    ]


def _circuit(path: Path, name: str, n: int) -> dict[str, Measured]:
    """What happens to the separation of induction tokens when induction forms."""
    apart = path.separation[name]
    earlier = np.flatnonzero(path.steps < path.onset)
    before = apart[earlier[-1]] if len(earlier) else np.full(apart.shape[1], np.nan)
    largest = np.diff(apart, axis=0).argmax(0)
    steepest = (-np.diff(path.loss, axis=0)).argmax(0)
    order = np.array(
        [rank_correlation(one, two) for one, two in zip(apart.T, path.hits.T, strict=True)]
    )
    values = {"before": before / apart[-1], "time": np.abs(largest - steepest), "order": order}
    return {key: interval(value[0], value[1:], n) for key, value in values.items()}

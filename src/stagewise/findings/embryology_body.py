"""Claims C1 and C2: patterns of tokens in the cloud of susceptibilities, and its long axis."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.resampled_sequences import ranking
from stagewise.estimators.response_matrix import principal_components
from stagewise.estimators.separability import balanced_accuracy, equal_parts
from stagewise.findings.measured import Measured, doubtful, exact, mean_of
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

RIVALS = ("loss", "fragility")
"""Single numbers of a token that might do as well."""
SUFFIX = {"two_chain": "", "restricted": "_restricted", "residual": "_residual"}
CIRCUIT = ("_restricted", "_residual")
"""Ends of the statistics that are in doubt where restricted columns are not reliable."""


@dataclass(frozen=True)
class Settings:
    """How uncertainty is found."""

    model: dict[str, Any]
    permutations: int
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """How well patterns can be told at the end of training, and what the first axis is.

    inputs   susceptibilities of every seed at its `end`; of the first seed at a `start`, untrained,
             and, without the loss, `untempered`
    returns  rows of kind token (of the first seed: its pattern, places along the first two axes of
             the two-chain or restricted matrix, and fragility), of kind accuracy (by name and
             seed; `start` and `untempered` of the first), of kind axis (by seed, matrix and number
             of the axis: share of variance) and of kind head (by seed: loading on the first axis,
             reliability). Statistics, of the two-chain matrix with columns of deviation one or as
             `_restricted` and `_residual`, means over seeds:
               body_above_chance     accuracy of patterns among as many tokens of each, from 15
                                     neighbours in other sequences, less chance
               body_above_loss, body_above_fragility     less that from a token's loss or fragility
               body_gain             less that of the untrained network, first seed, over sequences
               body_above_untempered less that without the loss, first seed, over sequences
             and of the two-chain matrix:
               body_permuted         accuracy less chance of patterns in random order
               body_same_sign        share of heads whose loading on the first axis has the sign of
                                     most
               body_share            share of the first axis of the variance of centred columns
               body_fragility        squared correlation of that axis with fragility
               body_induction        area under the curve of the first axis for induction tokens
               body_reliability      median over heads of the correlation of the restricted columns
                                     of two halves of the chains, least over seeds
    """
    wanted = build(Settings, settings, "papers.embryology.body")
    ends = [one.isel(checkpoint=-1) for one in inputs["end"]]
    tokens = tokens_of(ends[0], wanted.model)
    places = equal_parts(tokens.pattern, seed=0)
    rows: list[pd.DataFrame] = []
    numbers: list[dict[str, float]] = []
    for end in ends:
        accuracies = _accuracies(end, tokens, places, wanted.permutations)
        first, table = _first_axis(end, tokens)
        named = pd.DataFrame({"name": accuracies.keys(), "value": accuracies.values()})
        rows += [
            part.assign(seed=end.attrs["seed"]) for part in (named.assign(kind="accuracy"), table)
        ]
        numbers.append(_compared(accuracies) | first)
    rows.insert(0, _cloud(ends[0], tokens))
    doubt = next(filter(None, map(unreliable, ends)), "")
    found = {f"body_{name}": mean_of([each[name] for each in numbers]) for name in numbers[0]}
    for name, control in (("gain", "start"), ("above_untempered", "untempered")):
        other = inputs[control][0].isel(checkpoint=0)
        for matrix in MATRICES:
            found[f"body_{name}{SUFFIX[matrix]}"], accuracy = _gain(
                ends[0], other, tokens, places, matrix, wanted.bootstrap
            )
            row = {"kind": "accuracy", "name": control + SUFFIX[matrix], "value": accuracy}
            rows.append(pd.DataFrame([row | {"seed": ends[0].attrs["seed"]}]))
    found = {
        name: doubtful(number, number.doubt or (doubt if name.endswith(CIRCUIT) else ""))
        for name, number in found.items()
    }
    found["body_reliability"] = exact(
        min(float(np.median(agreement(end))) for end in ends), len(ends)
    )
    return pd.concat(rows, ignore_index=True), found


def _accuracies(
    end: xr.Dataset, tokens: Tokens, places: NDArray[np.int64], permutations: int
) -> dict[str, float]:
    """Balanced accuracy by name: of the matrices, of the rivals, of patterns in random order."""
    patterns = tokens.pattern[places]
    clouds = matrices(end) | {
        "loss": flat(end["loss_at_centre"])[:, None],
        "fragility": flat(end["fragility"])[:, None],
    }
    found = {
        name: float(balanced_accuracy(patterns, guessed(cloud, tokens, places))[0])
        for name, cloud in clouds.items()
    }
    random = np.random.default_rng(0)
    by_chance = []
    for _ in range(permutations):
        shuffled = replace(tokens, pattern=tokens.pattern.copy())
        shuffled.pattern[places] = random.permutation(patterns)
        again = guessed(clouds["two_chain"], shuffled, places)
        by_chance.append(float(balanced_accuracy(shuffled.pattern[places], again)[0]))
    return found | {"permuted": float(np.mean(by_chance)), "chance": 1 / len(NAMES)}


def _compared(accuracies: Mapping[str, float]) -> dict[str, float]:
    rivals = {f"above_{name}": accuracies[name] for name in ("chance", *RIVALS)}
    return {
        f"{key}{SUFFIX[name]}": accuracies[name] - value
        for name in MATRICES
        for key, value in rivals.items()
    } | {"permuted": accuracies["permuted"] - accuracies["chance"]}


def _first_axis(end: xr.Dataset, tokens: Tokens) -> tuple[dict[str, float], pd.DataFrame]:
    """What the first axis of the centred two-chain matrix is, with the spectra of all matrices."""
    columns = flat(end["two_chain"].sel(component=heads(end))).T
    shares, scores, loadings = principal_components(columns - columns.mean(0))
    agrees = float((loadings[:, 0] > 0).mean())
    spectra = {"centred": shares} | {
        name: principal_components(x)[0] for name, x in matrices(end).items()
    }
    rows = [
        pd.DataFrame(
            {"kind": "axis", "name": name, "number": range(1, len(part) + 1), "value": part}
        )
        for name, part in spectra.items()
    ]
    rows.append(
        pd.DataFrame(
            {
                "kind": "head",
                "name": heads(end),
                "loading": loadings[:, 0],
                "reliability": agreement(end),
            }
        )
    )
    found = {
        "same_sign": max(agrees, 1 - agrees),
        "share": float(shares[0]),
        "fragility": float(np.corrcoef(scores[:, 0], flat(end["fragility"]))[0, 1] ** 2),
        "induction": float(ranking(scores[:, 0], tokens.of("induction"))[0]),
    }
    return found, pd.concat(rows, ignore_index=True)


def _cloud(end: xr.Dataset, tokens: Tokens) -> pd.DataFrame:
    """Places of the tokens along the first two axes of the two-chain and restricted matrices."""
    found = matrices(end)
    parts = []
    for name in ("two_chain", "restricted"):
        _, scores, _ = principal_components(found[name])
        parts.append(
            pd.DataFrame(
                {
                    "kind": "token",
                    "name": name,
                    "pattern": np.array(NAMES)[tokens.pattern],
                    "x": scores[:, 0],
                    "y": scores[:, 1],
                    "fragility": flat(end["fragility"]),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _gain(
    end: xr.Dataset,
    other: xr.Dataset,
    tokens: Tokens,
    places: NDArray[np.int64],
    name: str,
    bootstrap: int,
) -> tuple[Measured, float]:
    """Accuracy from a matrix less that at another place, over sequences; and the other's."""
    patterns, sequences = tokens.pattern[places], len(tokens.source)
    weights = tokens.weights(repeats=bootstrap, seed=0)[:, places]
    guesses = [guessed(matrices(one)[name], tokens, places) for one in (end, other)]
    own, less = (float(balanced_accuracy(patterns, each)[0]) for each in guesses)
    again = [balanced_accuracy(patterns, each, weights) for each in guesses]
    return interval(own - less, again[0] - again[1], sequences), less

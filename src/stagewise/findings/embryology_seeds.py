"""Claims C6 and C6 without fragility: the same body plan in networks of other seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.geometry_similarity import (
    distance_ranks,
    linear_cka,
    permuted_similarity,
    similarity,
)
from stagewise.findings.measured import Measured, doubtful, exact
from stagewise.findings.token_patterns import (
    MATRICES,
    Tokens,
    interval,
    matrices,
    tokens_of,
    unreliable,
)
from stagewise.settings import build

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """How many tokens are compared, and how uncertainty is found."""

    model: dict[str, Any]
    tokens: int
    permutations: int
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Whether tokens lie as far from each other in every seed.

    inputs   susceptibilities of every seed at its `end`, of the same tokens
    returns  one row per matrix and pair of seeds (first, second): similarity (Spearman's
             correlation of distances between tokens), cka, null and null_within (the 99th
             percentile of the similarity with tokens in random order, and in random order within
             their pattern), halves (of the halves of the chains of one seed, least of the two).
             Statistics, of the two-chain matrix or as `_restricted` and `_residual`, least over
             pairs, with intervals over sequences:
               seeds_similarity, seeds_cka
               seeds_above_null      similarity less null
               seeds_above_patterns  similarity less null_within
               seeds_halves          least over seeds
    """
    wanted = build(Settings, settings, "papers.embryology.seeds")
    ends = [one.isel(checkpoint=-1) for one in inputs["end"]]
    tokens = tokens_of(ends[0], wanted.model)
    random = np.random.default_rng(0)
    count = min(wanted.tokens, len(tokens.pattern))
    places = np.sort(random.choice(len(tokens.pattern), count, replace=False))
    doubt = next(filter(None, map(unreliable, ends)), "")
    tables: list[pd.DataFrame] = []
    found: dict[str, Measured] = {}
    for name in MATRICES:
        clouds = [matrices(end)[name][places] for end in ends]
        table, numbers = _pairs(clouds, tokens, places, wanted)
        ceilings = [_halves(end, name, places) for end in ends]
        number_of = {end.attrs["seed"]: value for end, value in zip(ends, ceilings, strict=True)}
        table = table.assign(
            first=[ends[a].attrs["seed"] for a in table["first"]],
            second=[ends[b].attrs["seed"] for b in table["second"]],
            matrix=name,
        )
        table["halves"] = [
            min(number_of[a], number_of[b])
            for a, b in zip(table["first"], table["second"], strict=True)
        ]
        tables.append(table)
        numbers["halves"] = exact(min(ceilings), len(ends))
        suffix = "" if name == "two_chain" else f"_{name}"
        found |= {
            f"seeds_{key}{suffix}": doubtful(number, "" if name == "two_chain" else doubt)
            for key, number in numbers.items()
        }
    return pd.concat(tables, ignore_index=True), found


def _pairs(
    clouds: list[Array], tokens: Tokens, places: NDArray[np.int64], wanted: Settings
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Of clouds (token, head) of every seed: a row per pair, and the least over pairs."""
    weights = tokens.weights(repeats=wanted.bootstrap, seed=0)[:, places]
    weights = np.concatenate([np.ones((1, len(places))), weights])
    ranks = [distance_ranks(cloud) for cloud in clouds]
    patterns = tokens.pattern[places]
    labels = {"null": np.zeros_like(patterns), "null_within": patterns}
    rows, resampled = [], []
    for first, second in combinations(range(len(clouds)), 2):
        one, two = ranks[first], ranks[second]
        nulls = {
            key: float(
                np.quantile(
                    permuted_similarity(one, two, label, repeats=wanted.permutations, seed=0), 0.99
                )
            )
            for key, label in labels.items()
        }
        alike = similarity(one, two, weights)
        aligned = linear_cka(clouds[first], clouds[second], weights)
        resampled.append((alike, aligned, alike - nulls["null"], alike - nulls["null_within"]))
        rows.append(
            {"first": first, "second": second, "similarity": alike[0], "cka": aligned[0]} | nulls
        )
    least = np.min(resampled, axis=0)
    keys = ("similarity", "cka", "above_null", "above_patterns")
    return pd.DataFrame(rows), {
        key: interval(values[0], values[1:], len(tokens.source))
        for key, values in zip(keys, least, strict=True)
    }


def _halves(end: xr.Dataset, name: str, places: NDArray[np.int64]) -> float:
    """Similarity of the two halves of the chains of one seed."""
    halves = [matrices(end.isel(half=[half]))[name][places] for half in (0, 1)]
    return float(similarity(*map(distance_ranks, halves))[0])

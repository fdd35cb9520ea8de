"""Claim C1 as the paper shows it: planar maps of the cloud, and what of them persists."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness

from stagewise.estimators.neighbourhoods import nearest, overlap
from stagewise.findings.measured import Measured, exact
from stagewise.findings.token_patterns import NAMES, Tokens, matrices, tokens_of
from stagewise.findings.umap_places import umap_places
from stagewise.settings import build

Array = NDArray[np.float64]

NEIGHBOURS = 15
"""Whose overlap says how alike two maps are."""
CLOUDS = ("two_chain", "restricted")


@dataclass(frozen=True)
class Settings:
    """Which tokens and checkpoints are shown, and how."""

    model: dict[str, Any]
    tokens: int
    steps: list[int]
    """Checkpoints whose map is shown before the last one; the nearest sampled are taken."""
    neighbours: list[int]
    """Settings of the map that are compared; the first is shown."""


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """UMAPs of the cloud, beside those of its columns each in random order.

    inputs   susceptibilities of the first seed `along` training, and of every seed at its `end`
    returns  rows of kind token (by map, a matrix or `<matrix>_shuffled`, and step: x, y, pattern,
             run) and of kind setting (by map and number of neighbours: trust). Statistics, of the
             two-chain matrix or as `..._restricted`, at the end of the first seed:
               maps_overlap           share of the 15 nearest neighbours in the plane that two maps
                                      of other settings have in common, least over pairs
               maps_overlap_again     that of maps of one setting and another random state
               maps_trust             trustworthiness (Venna and Kaski 2001), least over settings
               maps_overlap_shuffled, maps_trust_shuffled    of columns each in random order
    """
    wanted = build(Settings, settings, "papers.embryology.maps")
    along, end = inputs["along"][0], inputs["end"][0].isel(checkpoint=-1)
    tokens = tokens_of(end, wanted.model)
    random = np.random.default_rng(0)
    count = min(wanted.tokens, len(tokens.pattern))
    places = np.sort(random.choice(len(tokens.pattern), count, replace=False))
    stages = [along.isel(checkpoint=place) for place in _nearest(along, wanted.steps)]
    tables = [
        _rows(_map(matrices(stage)["two_chain"][places], wanted.neighbours[0]), tokens, places)
        .assign(map="two_chain", step=int(stage["step"]))
        for stage in stages
    ]  # fmt: skip
    found: dict[str, Measured] = {}
    for name in CLOUDS:
        suffix = "" if name == "two_chain" else f"_{name}"
        cloud = matrices(end)[name][places]
        for ending, features in (("", cloud), ("_shuffled", random.permuted(cloud, axis=0))):
            maps = {k: _map(features, k) for k in wanted.neighbours}
            label = name + ending
            shown = _rows(maps[wanted.neighbours[0]], tokens, places)
            trust = [_trust(features, one) for one in maps.values()]
            settings_of = {"kind": "setting", "neighbours": maps.keys(), "trust": trust}
            for rows in (shown, pd.DataFrame(settings_of)):
                tables.append(rows.assign(map=label, step=int(end["step"])))
            around = [nearest(one, NEIGHBOURS) for one in maps.values()]
            alike = min(overlap(*pair) for pair in combinations(around, 2))
            found[f"maps_overlap{ending}{suffix}"] = exact(alike)
            found[f"maps_trust{ending}{suffix}"] = exact(min(trust))
            if not ending:
                again = nearest(_map(cloud, wanted.neighbours[0], state=1), NEIGHBOURS)
                found[f"maps_overlap_again{suffix}"] = exact(overlap(around[0], again))
    return pd.concat(tables, ignore_index=True), found


def _nearest(along: xr.Dataset, steps: list[int]) -> list[int]:
    """Places of the sampled checkpoints nearest to the wanted steps, each once."""
    return sorted({int(np.abs(along["step"].values - step).argmin()) for step in steps})


def _map(cloud: Array, neighbours: int, *, state: int = 0) -> Array:
    """Of (token, head) in the plane."""
    return umap_places(cloud, neighbours=neighbours, state=state).astype(np.float64)


def _trust(cloud: Array, places: Array) -> float:
    return float(trustworthiness(cloud, places, n_neighbors=NEIGHBOURS))


def _rows(places: Array, tokens: Tokens, chosen: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": "token",
            "x": places[:, 0],
            "y": places[:, 1],
            "pattern": np.array(NAMES)[tokens.pattern[chosen]],
            "run": tokens.run[chosen],
        }
    )

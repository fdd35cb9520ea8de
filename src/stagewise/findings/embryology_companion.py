"""Tokens on one map of all steps of training, for the companion page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stagewise.findings.measured import Measured, exact
from stagewise.findings.token_rows import Array, Described, columns, described, token_rows
from stagewise.findings.umap_places import umap_places
from stagewise.settings import build


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, and how much is shown."""

    model: dict[str, Any]
    sequences: int
    """Of each source."""


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """A map of tokens over training.

    inputs   susceptibilities of every seed, of which the first is shown, at all its checkpoints
    returns  one row per checkpoint and token of the first sequences of each source (`token_rows`):
             x, y its place on a UMAP of the two-chain susceptibilities of all checkpoints together,
             each component's in standard deviations over the tokens of its checkpoint. Statistic:
             companion_tokens, how many
    """
    wanted = build(Settings, settings, "papers.embryology.companion")
    found = inputs["susceptibilities"][0].sortby("step")
    tokens = described(wanted.model, "papers.embryology.companion.model")
    chosen = _first_of_each(tokens.sources, wanted.sequences)
    shown = Described(
        [tokens.texts[place] for place in chosen],
        tokens.classes[chosen],
        [tokens.sources[place] for place in chosen],
    )
    steps = [columns(found.isel(checkpoint=place), "two_chain") for place in range(len(found.step))]
    length = tokens.classes.shape[1]
    values = [step.reshape(-1, length, step.shape[1])[chosen] for step in steps]
    parts = [each.reshape(-1, each.shape[-1]) for each in values]
    together = umap_places(np.concatenate(parts), neighbours=30, closest=0.3)
    places = np.split(together.astype(float), len(parts))
    names = [str(name) for name in found["component"].values]
    table = pd.concat(
        [
            token_rows(shown, part, names, place, step=int(step))
            for part, place, step in zip(parts, places, found["step"].values, strict=True)
        ],
        ignore_index=True,
    )
    return table, {"companion_tokens": exact(len(parts[0]))}


def _first_of_each(sources: list[str], count: int) -> Array:
    """Numbers of the first `count` sequences of each source."""
    seen: dict[str, int] = {}
    chosen = []
    for place, source in enumerate(sources):
        seen[source] = seen.get(source, 0) + 1
        if seen[source] <= count:
            chosen.append(place)
    return np.array(chosen)

"""Susceptibilities of language models as matrices, tokens by heads, and what is known of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.grammar import SOURCES
from stagewise.data.synthetic_language import CLASSES, Text
from stagewise.estimators.response_matrix import factor_to_reach, reliability
from stagewise.findings.measured import Measured
from stagewise.settings import SettingsError

Array = NDArray[np.float64]
Chosen = NDArray[np.int64]

GATE = 0.5
"""Reliability of half of the chains, median over heads, below which nothing is said about heads."""


@dataclass(frozen=True)
class Tokens:
    """The tokens that susceptibilities are of, sequence after sequence."""

    classes: NDArray[np.str_]
    sources: NDArray[np.str_]
    targets: NDArray[np.int64]
    before: NDArray[np.int64]
    """The token before each."""
    places: NDArray[np.int64]
    length: int
    """Of a sequence."""

    @property
    def sequences(self) -> int:
        """How many."""
        return len(self.classes) // self.length

    def of(self, sequences: Chosen) -> Chosen:
        """The tokens of those sequences."""
        return np.asarray((sequences[:, None] * self.length + np.arange(self.length)).ravel())


def tokens(text: Text) -> Tokens:
    """All tokens of a text but its beginnings."""
    count, length = text.classes.shape
    return Tokens(
        classes=np.array(CLASSES)[text.classes].ravel(),
        sources=np.array(SOURCES)[np.repeat(text.sources, length)],
        targets=text.tokens[:, 1:].ravel(),
        before=text.tokens[:, :-1].ravel(),
        places=np.tile(np.arange(length), count),
        length=length,
    )


@dataclass(frozen=True)
class Matrices:
    """Of one checkpoint of one model; the first axis is the half of the chains."""

    heads: list[str]
    restricted: Array
    """(half, token, head)"""
    covariance: Array
    """(half, token, head), by the covariance along the chains."""
    two_chain: Array
    """(half, token, head)"""
    fragility: Array
    """(half, token)"""
    rise: Array
    """(head,)"""

    @property
    def layers(self) -> NDArray[np.int64]:
        """(head,)"""
        return np.array([int(head.split(":")[0]) for head in self.heads])


def matrices(found: xr.Dataset, known: Tokens) -> Matrices:
    """The heads' susceptibilities at the only checkpoint; SettingsError if they are of other
    tokens."""
    heads = [name for name in found.component.values.tolist() if ":" in name]
    cells = found.sizes["sample"] * found.sizes["token"]
    if cells != len(known.classes):
        raise SettingsError(f"susceptibilities of {cells} tokens, expected {len(known.classes)}")
    one = found.isel(checkpoint=0)

    def matrix(name: str) -> Array:
        values = one[name].sel(component=heads).transpose("half", "sample", "token", "component")
        return np.asarray(values.values, dtype=np.float64).reshape(
            len(values.half), cells, len(heads)
        )

    return Matrices(
        heads=heads,
        restricted=matrix("restricted"),
        covariance=matrix("covariance"),
        two_chain=matrix("two_chain"),
        fragility=np.asarray(one["fragility"].values, dtype=np.float64).reshape(-1, cells),
        rise=np.asarray(one["rise"].sel(component=heads).mean("half").values, dtype=np.float64),
    )


def circuit_scores(behaviour: pd.DataFrame, step: int, heads: Sequence[str]) -> Array:
    """Of each head, what the induction circuit needs of its layer: attention to the token before in
    the first, to what came after earlier copies in the others, (head,)."""
    row = behaviour[behaviour["step"] == step].iloc[0]
    return np.array(
        [
            row[f"previous_token {head}" if head.startswith("0:") else f"prefix {head}"]
            for head in heads
        ],
        dtype=float,
    )


def above_median(scores: Array, layers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(head,) whether a head's score exceeds the median of its layer."""
    found = np.zeros(len(scores), dtype=bool)
    for layer in np.unique(layers):
        own = layers == layer
        found[own] = scores[own] > np.median(scores[own])
    return found


def column_reliability(halves: Array) -> Array:
    """(column,) of (half, row, column)."""
    return np.asarray(reliability(halves[0], halves[1]))


def gate(runs: Sequence[Matrices], draws: int) -> str:
    """A doubt where half of the chains give restricted columns of a median reliability below GATE
    in any model, else empty. `draws` are those of one head."""
    least = min(float(np.median(column_reliability(run.restricted))) for run in runs)
    if least >= GATE:
        return ""
    wanted = factor_to_reach(least, GATE) * draws
    more = f"about {wanted:.0f} draws of a head" if np.isfinite(wanted) else "other settings"
    return (
        f"reliability of half of the chains is {least:.2f}, below {GATE}: {more} (now {draws}) "
        f"would decide"
    )


def draws_of_a_head(draws: xr.Dataset) -> int:
    """All recorded draws of one component at one checkpoint."""
    return int(draws.sizes["n"] * draws.sizes["chain"] * draws.sizes["draw"])


def over_sequences(
    of: Callable[[Chosen], Mapping[str, float]],
    known: Tokens,
    repeats: int,
    *,
    level: float = 0.9,
) -> dict[str, Measured]:
    """Statistics of tokens with percentile intervals, sequences resampled."""
    random = np.random.default_rng(0)
    count = known.sequences
    values = of(known.of(np.arange(count)))
    found = [of(known.of(random.integers(0, count, count))) for _ in range(repeats)]
    tails = [(1 - level) / 2, (1 + level) / 2]

    def interval(name: str) -> tuple[float, float]:
        low, high = np.nanquantile([one[name] for one in found], tails)
        return float(low), float(high)

    return {name: Measured(value, *interval(name), count) for name, value in values.items()}

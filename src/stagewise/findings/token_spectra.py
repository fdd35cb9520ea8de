"""What the parts of figure 14 share: vectors of tokens with labels, clusters and their scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.synthetic_language import CLASSES
from stagewise.estimators.local_clusters import Clustering, clusters
from stagewise.estimators.response_matrix import factor_to_reach, reliability
from stagewise.estimators.token_vectors import Vectors, reliable_vectors, sparse_places
from stagewise.findings.measured import Measured, jackknife, mean_of, widened
from stagewise.testbeds.synthetic_language import mixed

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

REASONS = {
    "chain": ("markov", "background", "word"),
    "noise": ("first copy", "second start"),
    "induction": ("repeated",),
    "key": ("key",),
    "rule": ("triggered",),
    "opening": ("opening",),
    "closing": ("closing",),
    "spacing": ("space",),
}
"""Why a token comes next: classes of tokens that the same thing predicts, or nothing."""
INDUCTION = tuple(REASONS).index("induction")


@dataclass(frozen=True)
class Choice:
    """Which tokens are looked at, and which columns."""

    first: int = 5
    """Earlier places of a sequence are left out, which would form a cluster of their own."""
    share: float = 0.2
    """Of the places of a sequence."""
    reliability: float = 0.5
    """Least correlation of the halves of a column of the prepared vectors."""


@dataclass(frozen=True)
class Settings:
    """What was sampled, and how it is clustered."""

    model: dict[str, Any]
    """Of the testbed."""
    choice: Choice = field(default_factory=Choice)
    clustering: Clustering = field(default_factory=Clustering)
    walks: int = 8
    """Clusterings that begin at other points, over which scores are averaged: what a single one
    finds hangs on where walks begin, and so on rounding."""

    def __post_init__(self) -> None:
        if self.walks < 2:
            raise ValueError(f"walks: the spread of at least 2 is needed, got {self.walks}")


class Tokens(NamedTuple):
    """The tokens that are looked at, by sequence and place."""

    chosen: NDArray[np.bool_]
    """(sequence, place)"""
    strings: Labels
    """(token,)"""
    reasons: Labels
    """(token,) numbers in REASONS"""
    sequences: Labels
    """(token,)"""


def tokens_of(settings: Settings) -> Tokens:
    """Random places of the observable `mixed`, the same for every seed."""
    text = mixed(settings.model)
    choice = settings.choice
    chosen = sparse_places(*text.classes.shape, first=choice.first, share=choice.share, seed=0)
    reason = {name: k for k, names in enumerate(REASONS.values()) for name in names}
    numbers = np.array([reason[name] for name in CLASSES])
    return Tokens(
        chosen,
        text.tokens[:, 1:][chosen].astype(np.int64),
        numbers[text.classes][chosen],
        np.nonzero(chosen)[0],
    )


def halves_of(found: xr.Dataset, tokens: Tokens, name: str = "restricted") -> Array:
    """Estimates (half, token, component) of the last checkpoint, nats squared."""
    values = found[name].isel(checkpoint=-1).transpose("half", "sample", "token", "component")
    return np.asarray(values.values[:, tokens.chosen], dtype=float)


def vectors_of(
    found: xr.Dataset, tokens: Tokens, settings: Settings, *, centred: bool = True
) -> Vectors:
    """Prepared vectors of the restricted susceptibilities, without unreliable columns."""
    halves = halves_of(found, tokens)
    return reliable_vectors(halves, least=settings.choice.reliability, centred=centred)


def gate(found: Sequence[xr.Dataset], tokens: Tokens, least: float) -> tuple[Measured, str]:
    """Median over components of the restricted columns' split-half reliability, the least over
    seeds; and a doubt where it is below `least`."""
    medians = [float(np.median(reliability(*halves_of(each, tokens)))) for each in found]
    lowest = min(medians)
    doubt = ""
    if lowest < least:
        doubt = (
            f"the median split-half reliability of the columns is {lowest:.2f}, below {least}: "
            f"{factor_to_reach(lowest, least):.1f} times as many draws would decide"
        )
    return Measured(lowest, n=len(medians)), doubt


def clusters_of(values: Array, settings: Clustering, walk: int = 0) -> Labels:
    """The cluster of each token; where walks begin is drawn alike for all that is compared."""
    return clusters(values, settings, seed=walk)


def by_sequence(statistic: Callable[[Labels], Any], tokens: Tokens) -> Measured:
    """A statistic of token numbers, its interval from leaving out one sequence at a time."""
    names, places = np.unique(tokens.sequences, return_inverse=True)

    def of(chosen: NDArray[Any]) -> float:
        return float(statistic(np.flatnonzero(np.isin(places, chosen))))

    return jackknife(of, len(names))


def over_walks(
    statistic: Callable[[int, Labels], float], tokens: Tokens, settings: Settings
) -> Measured:
    """Mean over clusterings of a statistic of clustering and token numbers; its interval from
    leaving out one sequence at a time, and from the spread of the clusterings."""
    walks, everything = range(settings.walks), np.arange(len(tokens.sequences))

    def mean(some: Labels) -> float:
        return float(np.mean([statistic(walk, some) for walk in walks]))

    spread = mean_of([statistic(walk, everything) for walk in walks])
    return widened(by_sequence(mean, tokens), spread)


def inputs_of(inputs: Mapping[str, list[xr.Dataset]], name: str) -> list[xr.Dataset]:
    """The susceptibilities of one sampling, in the order of the seeds."""
    return sorted(inputs[name], key=lambda each: each.attrs["seed"])

"""Clusters of the tokens of one model, and of the same vectors cut or mixed otherwise."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from stagewise.estimators.local_clusters import UNCLUSTERED
from stagewise.estimators.token_vectors import Vectors, prepared
from stagewise.findings.token_spectra import (
    Array,
    Labels,
    Tokens,
    clusters_of,
    halves_of,
    vectors_of,
)
from stagewise.findings.token_spectra import Settings as Shared


@dataclass(frozen=True)
class Variants:
    """Other settings of the graph and the walk."""

    alphas: list[float] = field(default_factory=list)
    neighbours: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Settings(Shared):
    """What was sampled, how it is clustered, and how else."""

    variants: Variants = field(default_factory=Variants)


class Found(NamedTuple):
    """One seed."""

    vectors: Vectors
    walks: list[Labels]
    """Clusters of the vectors, by walks that begin elsewhere."""
    halves: list[list[Labels]]
    """Clusters of either half of the chains."""
    shuffled: list[Labels]
    """Clusters of the vectors with every column in an order of its own."""

    @property
    def labels(self) -> Labels:
        """Those of the first walk, where one is looked at."""
        return self.walks[0]


def found_of(response: xr.Dataset, tokens: Tokens, settings: Settings) -> Found:
    vectors = vectors_of(response, tokens, settings)
    random = np.random.default_rng(0)

    def each(values: Array) -> list[Labels]:
        return [clusters_of(values, settings.clustering, walk) for walk in range(settings.walks)]

    return Found(
        vectors,
        each(vectors.values),
        [each(half) for half in vectors.halves],
        each(random.permuted(vectors.values, axis=0)),
    )


def covered(labels: Labels) -> float:
    """Share of the tokens that are in a cluster."""
    return float((labels != UNCLUSTERED).mean())


def count(labels: Labels) -> int:
    """Number of clusters."""
    return len(np.unique(labels[labels != UNCLUSTERED]))


def otherwise(
    found: Found, response: xr.Dataset, tokens: Tokens, settings: Settings
) -> dict[str, Labels]:
    """Clusters by other settings, of rows not centred and of two-chain vectors, by name."""
    own, values = settings.clustering, found.vectors.values
    labels = {"as above": found.labels}
    for alpha in settings.variants.alphas:
        labels[f"α = {alpha:g}"] = clusters_of(values, replace(own, alpha=alpha))
    for neighbours in settings.variants.neighbours:
        labels[f"k = {neighbours}"] = clusters_of(values, replace(own, neighbours=neighbours))
    uncentred = vectors_of(response, tokens, settings, centred=False).values
    labels["rows not centred"] = clusters_of(uncentred, own)
    two_chain = prepared(halves_of(response, tokens, "two_chain").mean(0))
    labels["two-chain"] = clusters_of(two_chain, own)
    return labels

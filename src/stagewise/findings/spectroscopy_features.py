"""Claim C4 of figure 14: clusters of tokens against the features of a sparse autoencoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stagewise.estimators.feature_matching import alike, best_f1
from stagewise.estimators.local_clusters import UNCLUSTERED
from stagewise.findings.measured import Measured, bootstrap, doubtful, exact
from stagewise.findings.token_spectra import (
    REASONS,
    Tokens,
    clusters_of,
    gate,
    inputs_of,
    tokens_of,
    vectors_of,
)
from stagewise.findings.token_spectra import Settings as Shared
from stagewise.models import attention_only
from stagewise.models.topk_autoencoder import activations, explained, fit
from stagewise.seeds import generator
from stagewise.settings import build
from stagewise.testbeds import synthetic_language
from stagewise.testbeds.testbed import Points

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Autoencoder:
    """Its sizes and its training."""

    features: int = 512
    active: int = 8
    sequences: int = 1600
    """Of the model's training data, all of whose places are trained on."""
    steps: int = 800
    batch: int = 512
    rate: float = 2e-3


@dataclass(frozen=True)
class Settings(Shared):
    """What was sampled, how it is clustered, and the autoencoder."""

    autoencoder: Autoencoder = field(default_factory=Autoencoder)
    match: float = 0.5
    """F1 from which a feature is that of a cluster."""
    redrawn: int = 20
    """Random sets for each cluster."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Features of the stream after the last layer, where the tokens are predicted from.

    inputs   response: susceptibilities of the observable `mixed`, points: trajectories, one of
             each seed
    returns  one row per cluster: seed, cluster, size, reason (the most frequent), f1 (of the best
             feature), chance (mean of random sets with as many tokens of each string),
             chance_match (share of these that have a feature). Statistics, over the clusters of all
             seeds, intervals over clusters:
               match_share     of clusters with a feature of F1 >= match
               match_chance    of random sets
               match_margin    the first less twice the second
               explained       least share of the variance that autoencoders reconstruct
    """
    wanted = build(Settings, settings, "papers.spectroscopy.features")
    response, tokens = inputs_of(inputs, "response"), tokens_of(wanted)
    trajectories = {int(each.index["seed"].iloc[0]): each for each in inputs["points"]}
    parts, shares = [], []
    for each in response:
        seed = each.attrs["seed"]
        features, share = _features(trajectories[seed], tokens, wanted, seed)
        labels = clusters_of(vectors_of(each, tokens, wanted).values, wanted.clustering)
        parts.append(_matches(labels, features, tokens, wanted).assign(seed=seed))
        shares.append(share)
    table = pd.concat(parts, ignore_index=True)
    _, doubt = gate(response, tokens, wanted.choice.reliability)
    own = np.asarray(table["f1"] >= wanted.match, dtype=float)
    chance = np.asarray(table["chance_match"], dtype=float)
    statistics = {
        "match_share": _over_clusters(own, wanted),
        "match_chance": _over_clusters(chance, wanted),
        "match_margin": _over_clusters(own - 2 * chance, wanted),
    }
    statistics = {name: doubtful(number, doubt) for name, number in statistics.items()}
    return table, statistics | {"explained": exact(min(shares), len(shares))}


def _over_clusters(values: Array, settings: Settings) -> Measured:
    if not len(values):
        return Measured(float("nan"), n=0)
    return bootstrap(
        lambda some: float(values[some].mean()), len(values), seed=0, repeats=settings.bootstrap
    )


def _features(points: Points, tokens: Tokens, settings: Settings, seed: int) -> tuple[Array, float]:
    """Activations (token, feature) of an autoencoder of the last checkpoint, and the share of the
    training text's streams that it explains."""
    testbed = synthetic_language.build(settings.model, seed)
    place = int(points.index["step"].to_numpy().argmax())
    weights = {name: tensor[place] for name, tensor in points.parameters.items()}
    own = settings.autoencoder

    def streams(text: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return attention_only.streams(weights, text[:, :-1].long())[-1]

    known = streams(testbed.data["tokens"][: own.sequences]).flatten(0, 1)
    fitted = fit(
        known,
        features=own.features,
        active=own.active,
        steps=own.steps,
        batch=own.batch,
        rate=own.rate,
        stream=generator(seed, "autoencoder"),
    )
    looked = streams(testbed.observables["mixed"].data["tokens"])[torch.from_numpy(tokens.chosen)]
    found = activations(fitted, looked, own.active).numpy().astype(float)
    return found, explained(fitted, known, own.active)


def _matches(
    labels: NDArray[np.int64], features: Array, tokens: Tokens, settings: Settings
) -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = []
    for cluster in np.unique(labels[labels != UNCLUSTERED]):
        inside = labels == cluster
        sets = [alike(inside, tokens.strings, random) for _ in range(settings.redrawn)]
        scores = best_f1(features, np.stack([inside, *sets])).max(1)
        reason = np.bincount(tokens.reasons[inside], minlength=len(REASONS)).argmax()
        rows.append(
            {
                "cluster": int(cluster),
                "size": int(inside.sum()),
                "reason": list(REASONS)[reason],
                "f1": scores[0],
                "chance": scores[1:].mean(),
                "chance_match": (scores[1:] >= settings.match).mean(),
            }
        )
    columns = ["cluster", "size", "reason", "f1", "chance", "chance_match"]
    return pd.DataFrame(rows, columns=columns)

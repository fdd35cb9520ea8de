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
from stagewise.findings.measured import Measured, bootstrap, doubtful, exact, mean_of, widened
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
    sequences: int = 800
    """Of the model's training data, all of whose places are trained on."""
    steps: int = 600
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
    bootstrap: int = 200


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Features of the streams after the first and the last layer, where tokens are predicted from.

    inputs   response: susceptibilities of the observable `mixed`, points: trajectories, one of
             each seed
    returns  one row per stream (first, last), clustering and cluster: stream, seed, walk, cluster,
             size, reason (the most frequent), f1 (of the best feature), chance (mean of random
             sets with as many tokens of each string), chance_match (share of these that have a
             feature). Statistics, over the clusters of all seeds, means over clusterings, intervals
             over both:
               match_share, first_match_share    of clusters with a feature of F1 >= match, of the
                                                 last and the first stream
               match_chance, first_match_chance  of random sets
               match_margin, first_match_margin  the share less twice that of random sets
               explained       least share of the variance that autoencoders reconstruct
    """
    wanted = build(Settings, settings, "papers.spectroscopy.features")
    response, tokens = inputs_of(inputs, "response"), tokens_of(wanted)
    trajectories = {int(each.index["seed"].iloc[0]): each for each in inputs["points"]}
    parts, shares = [], []
    for each in response:
        seed = each.attrs["seed"]
        vectors = vectors_of(each, tokens, wanted).values
        labels = [clusters_of(vectors, wanted.clustering, walk) for walk in range(wanted.walks)]
        for stream, (features, share) in _features(
            trajectories[seed], tokens, wanted, seed
        ).items():
            for walk, label in enumerate(labels):
                found = _matches(label, features, tokens, wanted)
                parts.append(found.assign(seed=seed, stream=stream, walk=walk))
            shares.append(share)
    table = pd.concat(parts, ignore_index=True)
    _, doubt = gate(response, tokens, wanted.choice.reliability)
    statistics = {}
    for stream, prefix in (("last", ""), ("first", "first_")):
        rows = table[table["stream"] == stream]
        own = (rows["f1"] >= wanted.match).astype(float)
        chance = rows["chance_match"]
        for name, values in (("share", own), ("chance", chance), ("margin", own - 2 * chance)):
            statistics[f"{prefix}match_{name}"] = _over_clusters(values, rows["walk"], wanted)
    statistics = {name: doubtful(number, doubt) for name, number in statistics.items()}
    return table, statistics | {"explained": exact(min(shares), len(shares))}


def _over_clusters(values: pd.Series, walks: pd.Series, settings: Settings) -> Measured:
    """Mean over clusters, then over clusterings; its interval from resampling clusters, and from
    the spread of the clusterings."""
    each = [np.asarray(of, dtype=float) for _, of in values.groupby(walks)]
    if len(each) < settings.walks:
        return Measured(float("nan"), n=0)
    found = [_resampled(of, settings.bootstrap) for of in each]
    ends = [(one.low or 0.0, one.high or 0.0, one.n) for one in found]
    low, high, clusters = np.mean(ends, axis=0).tolist()
    spread = mean_of([one.value for one in found])
    return widened(Measured(spread.value, low, high, n=round(clusters)), spread)


def _resampled(values: Array, repeats: int) -> Measured:
    return bootstrap(lambda some: float(values[some].mean()), len(values), seed=0, repeats=repeats)


def _features(
    points: Points, tokens: Tokens, settings: Settings, seed: int
) -> dict[str, tuple[Array, float]]:
    """Of the streams after the first and the last layer of the last checkpoint: activations (token,
    feature) of an autoencoder, and the share of the training text's streams that it explains."""
    testbed = synthetic_language.build(settings.model, seed)
    place = int(points.index["step"].to_numpy().argmax())
    weights = {name: tensor[place] for name, tensor in points.parameters.items()}
    own = settings.autoencoder

    def streams(text: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            _, first, *others = attention_only.streams(weights, text[:, :-1].long())
        return {"first": first, "last": others[-1]}

    known = streams(testbed.data["tokens"][: own.sequences])
    looked = streams(testbed.observables["mixed"].data["tokens"])
    found = {}
    for name, stream in known.items():
        flat = stream.flatten(0, 1)
        fitted = fit(
            flat,
            features=own.features,
            active=own.active,
            steps=own.steps,
            batch=own.batch,
            rate=own.rate,
            stream=generator(seed, "autoencoder", name),
        )
        z = activations(fitted, looked[name][torch.from_numpy(tokens.chosen)], own.active)
        found[name] = (z.numpy().astype(float), explained(fitted, flat, own.active))
    return found


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

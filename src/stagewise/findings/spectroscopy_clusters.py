"""Claims C2, C3 and C7 of figure 14: clusters of tokens by their susceptibilities."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stagewise.estimators.local_clusters import UNCLUSTERED, mutual_information
from stagewise.estimators.response_matrix import principal_components
from stagewise.estimators.token_vectors import Vectors, prepared
from stagewise.findings.measured import Measured, doubtful, exact
from stagewise.findings.token_clusters import Found, Settings, count, covered, found_of, otherwise
from stagewise.findings.token_spectra import (
    INDUCTION,
    REASONS,
    Array,
    Labels,
    Tokens,
    by_sequence,
    gate,
    halves_of,
    inputs_of,
    over_walks,
    tokens_of,
)
from stagewise.findings.umap_places import umap_places
from stagewise.settings import build

PURE = 0.7
"""Share of a reason in a cluster that makes it one of that reason."""


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Clusters of the restricted susceptibilities of some tokens at the end of training.

    inputs   response: susceptibilities of the observable `mixed`, one of each seed
    returns  rows by `kind`: token (of the first seed: x, y of a map, reason, cluster, string),
             cluster (seed, cluster, size and a column of shares for each reason), component (seed,
             name, reliability of its column, kept), score (seed, walk, name, value) and variant
             (name, seed, clusters, ami, coverage). Statistics, means over seeds and
             clusterings where no other is said, intervals over sequences and clusterings; of
             strings, those of the first clustering:
               reliability         least over seeds of the median split-half of all columns
               kept_columns        least number
               clusters            least over seeds of the mean number
               ami, ami_shuffled   adjusted mutual information of clusters and reasons, of tokens in
                                   clusters; the same with permuted columns
               ami_margin          the first less twice the second, if that is positive
               coverage            share of tokens in clusters
               induction_clusters  number in which induction has a share of PURE
               induction_strings   median number of different tokens in these
               induction_shared    share of these tokens that are in another cluster, too
               leading_share       of the variance of two-chain vectors, columns standardised, of
                                   the first component
               leading_fall        how much of it is gone without the rows' means, relative
               restricted_leading_share, restricted_leading_fall   of the restricted ones
               stability           adjusted mutual information of the clusters of two halves
    """
    wanted = build(Settings, settings, "papers.spectroscopy.clusters")
    response, tokens = inputs_of(inputs, "response"), tokens_of(wanted)
    found = [found_of(each, tokens, wanted) for each in response]
    reliability, doubt = gate(response, tokens, wanted.choice.reliability)
    statistics = _scores(found, tokens, wanted) | _strings(found, tokens)
    statistics = {name: doubtful(number, doubt) for name, number in statistics.items()}
    statistics |= _leading(response, tokens)
    statistics["reliability"] = reliability
    statistics["kept_columns"] = exact(min(len(each.vectors.kept) for each in found), len(found))
    seeds = [each.attrs["seed"] for each in response]
    table = pd.concat(
        [
            _map(found[0], tokens),
            *(_members(each, tokens, seed) for each, seed in zip(found, seeds, strict=True)),
            *(
                _columns(each.vectors, dataset)
                for each, dataset in zip(found, response, strict=True)
            ),
            *(_by_seed(each, tokens, seed) for each, seed in zip(found, seeds, strict=True)),
            *(
                _variants(each, dataset, tokens, wanted)
                for each, dataset in zip(found, response, strict=True)
            ),
        ],
        ignore_index=True,
    )
    return table, statistics


def _scores(found: list[Found], tokens: Tokens, settings: Settings) -> dict[str, Measured]:
    def agreement(labels: list[list[Labels]], walk: int, some: Labels) -> float:
        reasons = tokens.reasons[some]
        return float(np.mean([mutual_information(reasons, each[walk][some]) for each in labels]))

    def halves(walk: int, some: Labels) -> float:
        pairs = [[half[walk][some] for half in each.halves] for each in found]
        return float(np.mean([mutual_information(*pair) for pair in pairs]))

    def margin(walk: int, some: Labels) -> float:
        return agreement(own, walk, some) - 2 * max(agreement(mixed, walk, some), 0.0)

    def coverage(walk: int, some: Labels) -> float:
        return float(np.mean([covered(each[walk][some]) for each in own]))

    own, mixed = [each.walks for each in found], [each.shuffled for each in found]
    statistics: dict[str, Callable[[int, Labels], float]] = {
        "ami": partial(agreement, own),
        "ami_shuffled": partial(agreement, mixed),
        "ami_margin": margin,
        "coverage": coverage,
        "stability": halves,
    }
    least = min(float(np.mean([count(labels) for labels in each])) for each in own)
    return {"clusters": exact(least, len(found))} | {
        name: over_walks(statistic, tokens, settings) for name, statistic in statistics.items()
    }


def _strings(found: list[Found], tokens: Tokens) -> dict[str, Measured]:
    """Of clusters of induction tokens, of all seeds together."""
    pure = [
        [k for k in range(count(each.labels)) if _share(each.labels == k, tokens) >= PURE]
        for each in found
    ]
    number = sum(map(len, pure))
    if not number:
        nothing = Measured(float("nan"), n=0)
        return {
            "induction_clusters": exact(0, len(found)),
            "induction_strings": nothing,
            "induction_shared": nothing,
        }

    def of(some: Labels) -> tuple[list[int], list[float]]:
        strings = tokens.strings[some]
        different, shared = [], []
        for each, clusters in zip(found, pure, strict=True):
            labels = each.labels[some]
            elsewhere = strings[(labels != UNCLUSTERED) & ~np.isin(labels, clusters)]
            for k in clusters:
                own = np.unique(strings[labels == k])
                different.append(len(own))
                shared.append(float(np.isin(own, elsewhere).mean()))
        return different, shared

    return {
        "induction_clusters": exact(number, len(found)),
        "induction_strings": by_sequence(lambda some: np.median(of(some)[0]), tokens),
        "induction_shared": by_sequence(lambda some: np.mean(of(some)[1]), tokens),
    }


def _share(inside: Labels, tokens: Tokens) -> float:
    return float((tokens.reasons[inside] == INDUCTION).mean())


def _leading(response: list[xr.Dataset], tokens: Tokens) -> dict[str, Measured]:
    """Shares of the first component, all columns, before rows are centred, and their fall."""
    found = {}
    for name, prefix in (("two_chain", ""), ("restricted", "restricted_")):
        shares = _first_shares([halves_of(each, tokens, name).mean(0) for each in response])
        found[f"{prefix}leading_share"] = by_sequence(partial(shares, centred=False), tokens)
        found[f"{prefix}leading_fall"] = by_sequence(partial(_fall, shares), tokens)
    return found


def _first_shares(columns: list[Array]) -> Callable[..., float]:
    def of(some: Labels, centred: bool) -> float:
        matrices = [prepared(each[some], centred=centred) for each in columns]
        return float(np.mean([principal_components(each).shares[0] for each in matrices]))

    return of


def _fall(shares: Callable[..., float], some: Labels) -> float:
    return 1 - shares(some, centred=True) / shares(some, centred=False)


def _map(found: Found, tokens: Tokens) -> pd.DataFrame:
    places = umap_places(found.vectors.values, neighbours=45)
    return pd.DataFrame(
        {
            "kind": "token",
            "x": places[:, 0],
            "y": places[:, 1],
            "reason": np.array(list(REASONS))[tokens.reasons],
            "cluster": found.labels,
            "string": tokens.strings,
        }
    )


def _members(found: Found, tokens: Tokens, seed: int) -> pd.DataFrame:
    rows = []
    for cluster in np.unique(found.labels[found.labels != UNCLUSTERED]):
        inside = found.labels == cluster
        shares = np.bincount(tokens.reasons[inside], minlength=len(REASONS)) / inside.sum()
        strings = len(np.unique(tokens.strings[inside]))
        rows.append(
            {"kind": "cluster", "seed": seed, "cluster": cluster, "size": int(inside.sum()),
             "strings": strings} | dict(zip(REASONS, shares, strict=True))
        )  # fmt: skip
    return pd.DataFrame(rows)


def _columns(vectors: Vectors, response: xr.Dataset) -> pd.DataFrame:
    reliability = vectors.dropped.copy()
    reliability[vectors.kept] = vectors.reliability
    return pd.DataFrame(
        {
            "kind": "component",
            "seed": response.attrs["seed"],
            "name": response.component.values.astype(str),
            "value": reliability,
            "kept": np.isin(np.arange(len(reliability)), vectors.kept),
        }
    )


def _by_seed(found: Found, tokens: Tokens, seed: int) -> pd.DataFrame:
    rows = []
    for walk, labels in enumerate(found.walks):
        scores = {
            "ami": mutual_information(tokens.reasons, labels),
            "shuffled": mutual_information(tokens.reasons, found.shuffled[walk]),
            "strings": mutual_information(tokens.strings, labels),
            "stability": mutual_information(*(half[walk] for half in found.halves)),
            "coverage": covered(labels),
            "clusters": count(labels),
        }
        common = {"kind": "score", "seed": seed, "walk": walk}
        rows += [common | {"name": name, "value": value} for name, value in scores.items()]
    return pd.DataFrame(rows)


def _variants(
    found: Found, response: xr.Dataset, tokens: Tokens, settings: Settings
) -> pd.DataFrame:
    labels = otherwise(found, response, tokens, settings)
    return pd.DataFrame(
        [
            {
                "kind": "variant",
                "seed": response.attrs["seed"],
                "name": name,
                "clusters": count(each),
                "ami": mutual_information(tokens.reasons, each),
                "coverage": covered(each),
            }
            for name, each in labels.items()
        ]
    )

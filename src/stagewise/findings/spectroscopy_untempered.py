"""Claim C6 of figure 14: clusters of susceptibilities to noise that knows nothing of the loss."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from stagewise.estimators.local_clusters import mutual_information
from stagewise.estimators.token_vectors import Vectors
from stagewise.findings.measured import Measured, doubtful, exact
from stagewise.findings.token_clusters import count, covered
from stagewise.findings.token_spectra import (
    INDUCTION,
    Array,
    Labels,
    Settings,
    Tokens,
    by_sequence,
    clusters_of,
    gate,
    halves_of,
    inputs_of,
    over_walks,
    tokens_of,
    vectors_of,
)
from stagewise.settings import build

KINDS = ("response", "untempered")


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The same clusters and scores at n beta of the paper and near 0, where weights are spread by
    the tether alone.

    inputs   response, untempered: susceptibilities of the observable `mixed`, one of each seed
    returns  one row per kind, seed and clustering (walk): clusters, ami, coverage, auc,
             correlation (of the columns of the two kinds, mean). Statistics, means over seeds and
             clusterings, intervals over sequences and clusterings:
               untempered_clusters     least over seeds of the mean number
               untempered_ami          with reasons, of tokens in clusters
               ami_difference          of the two kinds
               induction_auc, untempered_induction_auc   of induction tokens along the direction
                                       that separates them best in the other half of the sequences
               induction_auc_difference
               untempered_correlation  of the columns of the two kinds, mean over columns
               untempered_reliability  least over seeds of the median split-half of its columns
    """
    wanted = build(Settings, settings, "papers.spectroscopy.untempered")
    tokens = tokens_of(wanted)
    given = {kind: inputs_of(inputs, kind) for kind in KINDS}
    doubts = {kind: gate(found, tokens, wanted.choice.reliability) for kind, found in given.items()}
    vectors = {
        kind: [vectors_of(each, tokens, wanted) for each in found] for kind, found in given.items()
    }
    labels = {
        kind: [
            [clusters_of(each.values, wanted.clustering, walk) for walk in range(wanted.walks)]
            for each in found
        ]
        for kind, found in vectors.items()
    }
    scores = {kind: [separation(each, tokens) for each in found] for kind, found in vectors.items()}
    induction = tokens.reasons == INDUCTION

    def ami(kind: str, walk: int, some: Labels) -> float:
        values = [
            mutual_information(tokens.reasons[some], each[walk][some]) for each in labels[kind]
        ]
        return float(np.mean(values))

    def auc(kind: str, some: Labels) -> float:
        return float(np.mean([roc_auc_score(induction[some], each[some]) for each in scores[kind]]))

    def of(statistic: Callable[[Labels], float]) -> Measured:
        return by_sequence(statistic, tokens)

    counts = [float(np.mean([count(label) for label in each])) for each in labels["untempered"]]
    correlations = [
        _correlation(one, other, tokens)
        for one, other in zip(given["response"], given["untempered"], strict=True)
    ]
    doubt = "; ".join(filter(None, [doubts[kind][1] for kind in KINDS]))
    statistics = {
        "untempered_clusters": exact(min(counts), len(counts)),
        "untempered_ami": over_walks(partial(ami, "untempered"), tokens, wanted),
        "ami_difference": over_walks(
            lambda walk, some: ami("response", walk, some) - ami("untempered", walk, some),
            tokens,
            wanted,
        ),
        "induction_auc": of(lambda some: auc("response", some)),
        "untempered_induction_auc": of(lambda some: auc("untempered", some)),
        "induction_auc_difference": of(
            lambda some: auc("response", some) - auc("untempered", some)
        ),
    }
    statistics = {name: doubtful(number, doubt) for name, number in statistics.items()}
    statistics["untempered_correlation"] = exact(float(np.mean(correlations)), len(correlations))
    statistics["untempered_reliability"] = doubts["untempered"][0]
    rows = [
        {
            "kind": kind,
            "seed": given[kind][place].attrs["seed"],
            "walk": walk,
            "clusters": count(label),
            "ami": mutual_information(tokens.reasons, label),
            "coverage": covered(label),
            "auc": float(roc_auc_score(induction, scores[kind][place])),
            "correlation": correlations[place],
        }
        for kind in KINDS
        for place, each in enumerate(labels[kind])
        for walk, label in enumerate(each)
    ]
    return pd.DataFrame(rows), statistics


def separation(vectors: Vectors, tokens: Tokens) -> Array:
    """Place of each token (token,) along the direction that separates induction tokens from others
    best, by linear discrimination of the other half of the sequences, in units of its deviation."""
    found = np.zeros(len(tokens.reasons))
    induction = tokens.reasons == INDUCTION
    for parity in (0, 1):
        mine = tokens.sequences % 2 == parity
        model = LinearDiscriminantAnalysis().fit(vectors.values[~mine], induction[~mine])
        score = model.decision_function(vectors.values[mine])
        found[mine] = (score - score.mean()) / score.std()
    return found


def _correlation(one: xr.Dataset, other: xr.Dataset, tokens: Tokens) -> float:
    """Mean over columns of their correlation in two samplings."""
    first, second = (halves_of(each, tokens).mean(0) for each in (one, other))
    columns = [np.corrcoef(first[:, k], second[:, k])[0, 1] for k in range(first.shape[1])]
    return float(np.mean(columns))

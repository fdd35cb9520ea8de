"""Claim C1 of figure 14: susceptibilities as sums over the modes of the data distribution."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.planted_modes import blocks_of
from stagewise.estimators.local_clusters import Clustering, clusters, mutual_information
from stagewise.estimators.loss_kernel import cosine_similarities
from stagewise.estimators.mode_expansion import (
    Modes,
    captured,
    coefficients,
    contents,
    expansion,
    modes,
    random_modes,
)
from stagewise.estimators.response_matrix import reliability
from stagewise.estimators.token_vectors import prepared
from stagewise.findings.bilinear_responses import KINDS, Sampled, sampled, susceptibilities
from stagewise.findings.measured import (
    Measured,
    bootstrap,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
)
from stagewise.findings.umap_places import umap_places
from stagewise.settings import build
from stagewise.testbeds import bilinear_language

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What was sampled, and how it is looked at."""

    model: dict[str, Any]
    """Of the testbed."""
    leading: int = 4
    """Modes of contexts and of tokens that should suffice."""
    bases: int = 50
    """Random ones."""
    clustering: Clustering = field(default_factory=Clustering)
    bootstrap: int = 200


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Susceptibilities of all pairs of a context and a token, expanded in modes of q(y|x).

    The restricted susceptibility is the difference of E_C[l_xy - L] between coupled chains at two
    n beta, over that of the n beta; the two-chain one adds E_C[L - L(w*)] (E_full[l_xy - L] -
    E_C[l_xy - L]). L has the weights of the truth.

    inputs   draws: `pairs` kept as response along coupled chains at two n, of every component and
             of all, one file a seed
    returns  rows by `kind`: share (susceptibility, basis, seed, component, modes, value), pair
             (of the first seed: blocks of the context and the token, cluster, x and y of a
             map of the vectors), strength (seed, modes, value). Statistics, the
             least over components and seeds where no other is said, intervals over pairs of chains:
               modes_error           of the full expansion, relative, largest
               modes_restricted, modes_two_chain   share of sum q(x) chi^2 of the leading modes
               modes_restricted_ratio, modes_two_chain_ratio   over the mean of random bases
               modes_spearman        mean over seeds of the rank correlation over pairs of tokens
                                     in context of cosines of mode contents with cosines of
                                     susceptibility vectors; interval over contexts
               modes_spearman_shuffled   the same with vectors in random order, mean over seeds
               modes_ami             mutual information of clusters with planted blocks, mean over
                                     seeds
               modes_reliability     correlation of one half of the pairs of chains with the other
    """
    wanted = build(Settings, settings, "papers.spectroscopy.modes")
    draws = sorted(inputs["draws"], key=lambda each: each.attrs["seed"])
    found = [sampled(each, wanted.model) for each in draws]
    bases = [modes(each.truth, _flat(each.truth)) for each in found]
    pairs = len(found[0].losses)
    statistics = {"modes_error": exact(max(map(_error, found, bases)), len(found))}
    for kind in KINDS:
        chance = [_random_shares(each, kind, wanted)[:, wanted.leading - 1] for each in found]
        ones = [np.ones_like(each) for each in chance]
        for name, over in ((f"modes_{kind}", ones), (f"modes_{kind}_ratio", chance)):
            least = _least(found, bases, over, kind, wanted.leading)
            statistics[name] = bootstrap(least, pairs, seed=0, repeats=wanted.bootstrap)
    statistics |= _similar(found, bases, wanted)
    statistics["modes_ami"] = mean_of([_ami(each, wanted) for each in found])
    doubt = not_stationary(np.concatenate([each.rhat.values.ravel() for each in draws]))
    statistics = {name: doubtful(number, doubt) for name, number in statistics.items()}
    statistics["modes_reliability"] = exact(min(map(_reliability, found)), len(found))
    rows = [
        _share_rows(each, basis, wanted, dataset.attrs["seed"])
        for each, basis, dataset in zip(found, bases, draws, strict=True)
    ]
    rows.append(_pair_rows(found[0], wanted))
    return pd.concat(rows, ignore_index=True), statistics


def _flat(truth: Array) -> Array:
    return np.full(len(truth), 1 / len(truth))


def _shares(found: Sampled, basis: Modes, kind: str, some: NDArray[Any]) -> Array:
    """(component, modes)"""
    values = susceptibilities(found, kind, some)
    return captured(coefficients(values, basis, _flat(found.truth)))


def _random_shares(found: Sampled, kind: str, settings: Settings) -> Array:
    """(component, modes), mean over random bases"""
    random, flat = np.random.default_rng(0), _flat(found.truth)
    values = susceptibilities(found, kind, np.arange(len(found.losses)))
    tokens = found.truth.shape[1]
    shares = [
        captured(coefficients(values, random_modes(tokens, flat, random), flat))
        for _ in range(settings.bases)
    ]
    return np.asarray(np.mean(shares, axis=0))


def _least(
    found: list[Sampled], bases: list[Modes], over: list[Array], kind: str, leading: int
) -> Callable[[NDArray[Any]], float]:
    """Of some pairs of chains: the share of the leading modes over a number for each component,
    least over components and seeds."""

    def of(some: NDArray[Any]) -> float:
        shares = [
            _shares(each, basis, kind, some)[:, leading - 1] / divisor
            for each, basis, divisor in zip(found, bases, over, strict=True)
        ]
        return float(np.min(shares))

    return of


def _error(found: Sampled, basis: Modes) -> float:
    errors = []
    for kind in KINDS:
        values = susceptibilities(found, kind, np.arange(len(found.losses)))
        again = expansion(coefficients(values, basis, _flat(found.truth)), basis)
        errors.append(np.abs(again - values).max() / np.abs(values).max())
    return float(max(errors))


def _vectors(found: Sampled, some: NDArray[Any]) -> Array:
    """(context, token, component) restricted susceptibilities in units of each column's size, which
    is not known but for a factor."""
    values = susceptibilities(found, "restricted", some)
    sizes = np.sqrt((values**2).mean((1, 2), keepdims=True))
    return np.asarray((values / sizes).transpose(1, 2, 0))


def _similar(found: list[Sampled], bases: list[Modes], settings: Settings) -> dict[str, Measured]:
    random = np.random.default_rng(0)
    vectors = [_vectors(each, np.arange(len(each.losses))) for each in found]
    mode_contents = [contents(basis)[..., : settings.leading] for basis in bases]
    contexts = len(found[0].truth)

    def of(some: NDArray[Any]) -> float:
        """Without pairs of a token in context with itself."""
        tokens = vectors[0].shape[1]
        number = (some[:, None] * tokens + np.arange(tokens)).ravel()
        first, second = np.triu_indices(len(number), 1)
        differ = number[first] != number[second]
        values = [
            rank_correlation(
                *(_cosines(each[some])[first[differ], second[differ]] for each in both)
            )
            for both in zip(vectors, mode_contents, strict=True)
        ]
        return float(np.mean(values))

    shuffled = []
    for vector, content in zip(vectors, mode_contents, strict=True):
        order = random.permutation(vector.shape[0] * vector.shape[1])
        upper = np.triu_indices(len(order), 1)
        mixed = _cosines(vector)[np.ix_(order, order)]
        shuffled.append(rank_correlation(mixed[upper], _cosines(content)[upper]))
    return {
        "modes_spearman": bootstrap(of, contexts, seed=0, repeats=settings.bootstrap),
        "modes_spearman_shuffled": mean_of(shuffled),
    }


def _cosines(vectors: Array) -> Array:
    return cosine_similarities(vectors.reshape(-1, vectors.shape[-1]))


def _blocks(found: Sampled, settings: Settings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Block of the context and of the token, of each pair."""
    model = build(bilinear_language.Model, settings.model, "bilinear_language.model")
    contexts, tokens = (blocks_of(size, model.blocks) for size in found.truth.shape)
    first, second = np.indices(found.truth.shape)
    return contexts[first].ravel(), tokens[second].ravel()


def _prepared(found: Sampled) -> Array:
    vectors = _vectors(found, np.arange(len(found.losses)))
    return prepared(vectors.reshape(-1, vectors.shape[-1]), centred=False)


def _ami(found: Sampled, settings: Settings) -> float:
    context, token = _blocks(found, settings)
    labels = clusters(_prepared(found), settings.clustering, seed=0)
    return mutual_information(3 * context + token, labels)


def _reliability(found: Sampled) -> float:
    places = np.arange(len(found.losses))
    first, second = (
        _vectors(found, half).reshape(-1, len(found.restrictions))
        for half in (places[::2], places[1::2])
    )
    return float(reliability(first, second).min())


def _share_rows(found: Sampled, basis: Modes, settings: Settings, seed: int) -> pd.DataFrame:
    places = np.arange(len(found.losses))
    rows = [
        {"kind": "strength", "seed": seed, "modes": k + 1, "value": value}
        for k, value in enumerate(basis.strengths)
    ]
    for kind in KINDS:
        for name, shares in (
            ("modes", _shares(found, basis, kind, places)),
            ("random", _random_shares(found, kind, settings)),
        ):
            rows += [
                {"kind": "share", "susceptibility": kind, "basis": name, "seed": seed,
                 "component": component, "modes": k + 1, "value": value}
                for component, row in zip(found.restrictions, shares, strict=True)
                for k, value in enumerate(row)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def _pair_rows(found: Sampled, settings: Settings) -> pd.DataFrame:
    """Tokens in context on a map of their vectors."""
    values = _prepared(found)
    places = umap_places(values, neighbours=15)
    context, token = _blocks(found, settings)
    return pd.DataFrame(
        {
            "kind": "pair",
            "context": context,
            "token": token,
            "x": places[:, 0],
            "y": places[:, 1],
            "cluster": clusters(values, settings.clustering, seed=0),
        }
    )

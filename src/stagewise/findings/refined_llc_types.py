"""Claims C1 and C7: do the heads' curves tell their types, and better than cheaper curves do?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from stagewise.estimators.head_types import (
    best_count,
    centred,
    clusters,
    shuffled_within,
    spread_between_and_within,
)
from stagewise.findings.language_heads import at_end, heads, need_equal_settings, scored
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
    simulated,
)
from stagewise.settings import build

ESTIMATES = ("heads",)
RIVALS = {"trace": "hessian_trace", "norm": "norm"}


@dataclass(frozen=True)
class Settings:
    """How uncertainty is found."""

    permutations: int
    """Of the labels."""
    redrawn: int
    """Times that the curves are redrawn within their errors."""


@dataclass(frozen=True)
class Model:
    """The heads of one model."""

    curves: NDArray[np.float64]
    """(head, checkpoint)"""
    errors: NDArray[np.float64]
    layers: NDArray[np.int64]
    types: NDArray[np.str_]
    names: list[str]

    @property
    def count(self) -> int:
        """Types that there are."""
        return len(np.unique(self.types))

    def clustered(self, curves: NDArray[np.float64]) -> NDArray[np.int64]:
        """As many clusters as types."""
        return clusters(centred(curves, self.layers), self.count)

    def agreement(self, curves: NDArray[np.float64]) -> float:
        """Adjusted Rand index of clusters and types; not a number where there is one type."""
        if self.count < 2:
            return float("nan")
        return float(adjusted_rand_score(self.types, self.clustered(curves)))


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Curves of restricted estimates over training, clustered, against what the heads do.

    inputs   per seed: `heads`, draws of every head at some checkpoints, `behaviour` and `ablations`
    returns  one row per seed, checkpoint and head, with type and cluster, and the model's agreement
             by each kind of curve (ari, ari_trace, ari_norm). Statistics:
               ari              adjusted Rand index, median over seeds, as many clusters as types
               ari_silhouette   the same with the number of clusters by silhouette
               ari_layers       the same of each layer alone, median over seeds and layers
               ari_p            share of label permutations within layers whose mean over seeds is
                                as large
               ari_shuffled     mean under those permutations (control)
               variance_ratio   spread between types over spread within, over its 95 % quantile
                                under permutation
               ari_over_trace, ari_over_norm   index less that of clusters by the rival's curves
               trace_correlation, norm_correlation   Spearman over heads at the end, mean over seeds
               tether_ratio     median over heads at the end: 1 for a Hessian trace in disguise
    """
    wanted = build(Settings, settings, "papers.refined_llc.types")
    need_equal_settings(*inputs["heads"])
    table = heads(inputs["heads"], scored(inputs))
    seeds = table["seed"].unique()
    models = [_model(table[table["seed"] == seed], "lambda_hat") for seed in seeds]
    doubt = not_stationary(table["rhat"])
    single = [str(seed) for seed, m in zip(seeds, models, strict=True) if m.count < 2]
    if single:
        doubt = f"all heads are of one type: seed {', '.join(single)}"
    indices = np.array([model.agreement(model.curves) for model in models])
    found = {
        "ari": _redrawn(models, wanted),
        "ari_silhouette": exact(float(np.median([_by_silhouette(m) for m in models])), len(models)),
        "ari_layers": _by_layer(models),
        **_permuted(models, indices, wanted),
        **_correlations(at_end(table)),
    }
    columns = {"ari": indices}
    for name, column in RIVALS.items():
        rivals = [_model(table[table["seed"] == seed], column) for seed in seeds]
        other = np.array([rival.agreement(rival.curves) for rival in rivals])
        found[f"ari_over_{name}"] = mean_of(indices - other)
        columns[f"ari_{name}"] = other
    by_seed = pd.DataFrame(columns).assign(seed=seeds)
    named = [
        pd.DataFrame({"seed": seed, "head": m.names, "cluster": m.clustered(m.curves)})
        for seed, m in zip(seeds, models, strict=True)
    ]
    table = table.merge(pd.concat(named), on=["seed", "head"]).merge(by_seed, on="seed")
    return table, {name: doubtful(number, doubt) for name, number in found.items()}


def _model(rows: pd.DataFrame, column: str) -> Model:
    def grid(name: str) -> pd.DataFrame:
        return rows.pivot_table(index="head", columns="step", values=name)

    curves = grid(column)
    of_head = rows.drop_duplicates("head").set_index("head").loc[curves.index]
    return Model(
        curves.to_numpy(),
        grid("standard_error").to_numpy(),
        of_head["layer"].to_numpy(),
        of_head["type"].to_numpy(dtype=str),
        list(map(str, curves.index)),
    )


def _by_silhouette(model: Model) -> float:
    curves = centred(model.curves, model.layers)
    return float(adjusted_rand_score(model.types, clusters(curves, best_count(curves))))


def _by_layer(models: list[Model]) -> Measured:
    """Of layers with more than one type: their mean differs where their types do."""
    found = []
    for model in models:
        for layer in np.unique(model.layers):
            types = model.types[model.layers == layer]
            count = len(np.unique(types))
            if count > 1:
                curves = model.curves[model.layers == layer]
                found.append(adjusted_rand_score(types, clusters(curves, count)))
    return exact(float(np.median(found)) if found else float("nan"), len(found))


def _redrawn(models: list[Model], wanted: Settings) -> Measured:
    """Median agreement over models, its interval from curves redrawn within their errors."""
    if min(model.count for model in models) < 2:
        return exact(float("nan"), len(models))
    shapes = [model.curves.shape for model in models]
    ends = np.cumsum([0, *(model.curves.size for model in models)])

    def median(flat: NDArray[np.float64]) -> float:
        pieces = zip(models, shapes, ends[:-1], ends[1:], strict=True)
        return float(
            np.median([m.agreement(flat[a:b].reshape(shape)) for m, shape, a, b in pieces])
        )

    flat = np.concatenate([model.curves.ravel() for model in models])
    errors = np.concatenate([model.errors.ravel() for model in models])
    found = simulated(median, flat, errors, seed=0, repeats=wanted.redrawn)
    return Measured(found.value, found.low, found.high, n=len(models))


def _permuted(
    models: list[Model], indices: NDArray[np.float64], wanted: Settings
) -> dict[str, Measured]:
    """Agreement and spread against labels in random order within each layer."""
    random = np.random.default_rng(1)
    shown = [centred(model.curves, model.layers) for model in models]
    found = [model.clustered(model.curves) for model in models]

    def statistics(labels: list[NDArray[np.str_]]) -> tuple[float, float]:
        index = np.mean([adjusted_rand_score(t, c) for t, c in zip(labels, found, strict=True)])
        sums = [spread_between_and_within(s, t) for s, t in zip(shown, labels, strict=True)]
        between, within = np.sum(sums, axis=0)
        return float(index), float(between / within) if within > 0 else float("inf")

    _, ratio = statistics([model.types for model in models])
    under = np.array(
        [
            statistics([shuffled_within(m.types, m.layers, random) for m in models])
            for _ in range(wanted.permutations)
        ]
    )
    chance = float(np.quantile(under[:, 1], 0.95))
    extreme = int((under[:, 0] >= indices.mean() - 1e-12).sum())
    rare = (1 + extreme) / (1 + len(under)) if np.isfinite(indices).all() else float("nan")
    return {
        "ari_p": exact(rare, len(models)),
        "ari_shuffled": exact(float(under[:, 0].mean()), len(models)),
        "variance_ratio": exact(ratio / chance if chance > 0 else float("nan"), len(models)),
    }


def _correlations(last: pd.DataFrame) -> dict[str, Measured]:
    found = {"tether_ratio": exact(float(last["tether_ratio"].median()), last["seed"].nunique())}
    for name, column in RIVALS.items():
        over_heads = [
            rank_correlation(rows["lambda_hat"].to_numpy(), rows[column])
            for _, rows in last.groupby("seed")
        ]
        found[f"{name}_correlation"] = mean_of(over_heads)
    return found

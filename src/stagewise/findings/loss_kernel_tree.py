"""Claims A8 and A9: a classifier of leaves by its kernel, by distance on the tree, and rivals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.class_tree import leaf_distances
from stagewise.estimators.influence import block_covariances, normalised
from stagewise.estimators.loss_kernel import (
    between_classes,
    cosine_similarities,
    neighbour_agreement,
    squared_correlations,
    strength,
)
from stagewise.findings.kernels import (
    constant_share,
    exact_covariances,
    logits_and_jacobians,
    properties,
    traces,
)
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
)
from stagewise.models import mlp
from stagewise.settings import build
from stagewise.testbeds import class_tree
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.theory.softmax_kernel import gradients

Array = NDArray[np.float64]
SIMILARITIES = ("kernel", "exact", "untrained", "activations", "gradients")
"""Of samples; the first is the one the claims are about."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, and permutations."""

    model: dict[str, Any]
    permutations: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Coupling of classes by their distance on the tree.

    inputs   per seed, `draws` at the end of training, of the `untrained` network at n beta = 0 (so
             that chains do not train it), and the `points` they are of
    returns  one row per seed, similarity and tree distance: mean, and strength, the root mean
             square (of kernels without noise); and, the same for all distances, spearman (over
             pairs of classes, of the strength of a pair with minus its distance), signed_spearman
             (of the mean) and agreement (of nearest neighbours, in class). Similarities: R of the
             sampled kernel, of the Gauss-Newton kernel (exact), and of the sampled kernel of the
             untrained network; cosines of penultimate activations and of gradients. Statistics:
               tree_sisters      share of seeds in which strength at distance 1 exceeds that at 2
                                 and at 3
               tree_spearman, tree_signed_spearman   means over seeds
               tree_p            of tree_spearman, leaves in random order
               tree_within       mean R within a class, mean over seeds
               spearman_<rival>, agreement_<similarity>   means over seeds, of the others
               tree_constant     largest `kernels.constant_share` of R
               tree_least_eigenvalue, tree_affine_change   (`kernels.properties`)
    """
    wanted = build(Settings, settings, "papers.loss_kernel.tree")
    rows: list[dict[str, Any]] = []
    kernels, couplings, constant, rhat = [], [], [], []
    for draws, untrained, points in zip(
        inputs["draws"], inputs["untrained"], inputs["points"], strict=True
    ):
        seed = int(draws.attrs["seed"])
        testbed = class_tree.build(dict(wanted.model), seed)
        labels = testbed.data["y"].numpy()
        found, losses = _similarities(testbed, points, draws, untrained)
        kernels.append(losses)
        rhat += [float(draws.rhat[0, 0]), float(untrained.rhat[0, 0])]
        constant.append(constant_share(found["kernel"][0]))
        for name, (values, squares) in found.items():
            rows += _by_distance(name, seed, values, squares, labels)
        couplings.append(between_classes(found["kernel"][1], labels))
    table = pd.DataFrame(rows)
    doubt = not_stationary(rhat)
    statistics = _statistics(table) | {
        "tree_p": _order_p(couplings, wanted.permutations),
        "tree_constant": exact(max(constant), len(constant)),
    }
    statistics = {name: doubtful(n, n.doubt or doubt) for name, n in statistics.items()}
    return table, statistics | properties("tree", kernels)


def _similarities(
    testbed: Testbed, points: Points, draws: xr.Dataset, untrained: xr.Dataset
) -> tuple[dict[str, tuple[Array, Array]], Array]:
    """Similarity -> values and their squares without noise; and the trained network's traces."""
    losses = traces(draws)[0]
    trained = points.at(points.places({"step": int(draws["step"][0])}))
    found = {}
    for name, sampled in (("kernel", losses), ("untrained", traces(untrained)[0])):
        blocks = block_covariances(sampled)
        found[name] = normalised(blocks.mean(0)), squared_correlations(blocks)
    logits, jacobians, labels = logits_and_jacobians(testbed, trained, 0)
    w = {name: tensor[0] for name, tensor in trained.parameters.items()}
    hidden = mlp.penultimate(w, testbed.data["x"], torch.tanh).numpy()
    for name, values in (
        ("exact", normalised(exact_covariances(testbed, trained, 0, draws).whole)),
        ("activations", cosine_similarities(hidden)),
        ("gradients", cosine_similarities(gradients(jacobians, logits, labels))),
    ):
        found[name] = values, np.square(values)
    return found, losses


def _by_distance(
    name: str, seed: int, values: Array, squares: Array, labels: NDArray[np.int64]
) -> list[dict[str, Any]]:
    distance = leaf_distances(int(np.log2(labels.max() + 1)))
    signed, coupled = between_classes(values, labels), between_classes(squares, labels)
    pairs = np.triu_indices(len(distance), 1)
    common = {
        "seed": seed,
        "similarity": name,
        "spearman": rank_correlation(coupled[pairs], -distance[pairs]),
        "signed_spearman": rank_correlation(signed[pairs], -distance[pairs]),
        "agreement": neighbour_agreement(values, labels),
    }
    return [
        common
        | {
            "distance": int(each),
            "mean": float(signed[distance == each].mean()),
            "strength": float(strength(coupled[distance == each].mean())),
        }
        for each in np.unique(distance)
    ]


def _statistics(table: pd.DataFrame) -> dict[str, Measured]:
    grid = table[table["similarity"] == "kernel"].pivot_table(
        index="seed", columns="distance", values="strength"
    )
    ordered = (grid[1] > grid[2]) & (grid[1] > grid[3])
    each = table.drop_duplicates(["similarity", "seed"]).set_index("similarity")
    within = table[(table["similarity"] == "kernel") & (table["distance"] == 0)]
    found = {
        "tree_sisters": exact(float(ordered.mean()), len(ordered)),
        "tree_within": mean_of(within["mean"]),
        "tree_spearman": mean_of(each.loc[["kernel"], "spearman"]),
        "tree_signed_spearman": mean_of(each.loc[["kernel"], "signed_spearman"]),
    }
    for name in SIMILARITIES:
        found[f"agreement_{name}"] = mean_of(each.loc[[name], "agreement"])
        if name != "kernel":
            found[f"spearman_{name}"] = mean_of(each.loc[[name], "spearman"])
    return found


def _order_p(couplings: list[Array], permutations: int) -> Measured:
    """Share of random orders of the leaves, of each seed its own, whose mean Spearman over seeds
    reaches that of their own order."""
    random = np.random.default_rng(0)
    leaves = len(couplings[0])
    pairs = np.triu_indices(leaves, 1)
    distance = -leaf_distances(int(np.log2(leaves)))[pairs]

    def mean(orders: list[NDArray[np.int64]]) -> float:
        return float(
            np.mean(
                [
                    rank_correlation(found[np.ix_(order, order)][pairs], distance)
                    for found, order in zip(couplings, orders, strict=True)
                ]
            )
        )

    value = mean([np.arange(leaves)] * len(couplings))
    reached = sum(
        mean([random.permutation(leaves) for _ in couplings]) >= value for _ in range(permutations)
    )
    return exact((1 + reached) / (1 + permutations), len(couplings))

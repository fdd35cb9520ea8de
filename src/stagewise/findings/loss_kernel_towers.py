"""Claim A4: two networks in one objective, whose tasks cannot be coupled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.influence import block_covariances, normalised
from stagewise.estimators.loss_kernel import (
    across_over_within,
    auc,
    effective_draws,
    squared_correlations,
    strength,
    within_and_across,
)
from stagewise.findings.kernels import exact_covariances, permutation_p, properties, traces
from stagewise.findings.measured import Measured, doubtful, exact, mean_of, not_stationary
from stagewise.settings import build
from stagewise.testbeds import modular_arithmetic

Array = NDArray[np.float64]
BINS = 60
"""Of the histograms of R."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, and permutations."""

    model: dict[str, Any]
    permutations: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Correlations within and across the tasks of two towers.

    inputs   `draws` and the `points` they are of
    returns  histograms of R over the pairs of the first model: one row per block (within, across)
             and bin (left, right): density, effective_draws. Statistics, over models:
               towers_effective_draws   least number (`loss_kernel.effective_draws`)
               towers_across            root mean square of R across tasks times its square root,
                                        which is 1 for noise alone
               towers_across_mean       largest |mean of R across tasks| in standard errors
               towers_p                 of root-mean-square R within over that across, with tasks
                                        in random order
               towers_within            root mean square within, without noise
               towers_auc               of |R| for pairs of the same task
               towers_exact             across over within, Gauss-Newton kernel, largest
               towers_least_eigenvalue, towers_affine_change   (`kernels.properties`)
    """
    wanted = build(Settings, settings, "papers.loss_kernel.towers")
    draws, points = inputs["draws"][0], inputs["points"][0]
    testbed = modular_arithmetic.build(dict(wanted.model), int(draws.attrs["seed"]))
    task = testbed.data["task"].numpy()
    points = points.at(points.places({"step": int(points.index["step"].max())}))
    kernels = traces(draws)
    blocks = [block_covariances(losses) for losses in kernels]
    correlations = [normalised(found.mean(0)) for found in blocks]
    squares = [squared_correlations(found) for found in blocks]
    worth = [effective_draws(losses) for losses in kernels]
    noisy = np.mean([np.square(found) for found in correlations], axis=0)

    def excess(order: NDArray[np.int64]) -> float:
        within, across = within_and_across(noisy, order)
        return within - across

    across = [
        (within_and_across(np.square(found), task)[1] * count) ** 0.5
        for found, count in zip(correlations, worth, strict=True)
    ]
    exactly = [
        across_over_within(
            np.square(normalised(exact_covariances(testbed, points, k, draws).whole)), task
        )
        for k in range(len(kernels))
    ]
    found = {
        "towers_effective_draws": exact(min(worth), len(worth)),
        "towers_across": mean_of(across),
        "towers_across_mean": exact(max(_deviation(each, task) for each in blocks), len(blocks)),
        "towers_p": permutation_p(excess, task, repeats=wanted.permutations, seed=0),
        "towers_within": mean_of(
            [float(strength(within_and_across(each, task)[0])) for each in squares]
        ),
        "towers_auc": mean_of([auc(np.abs(each), task) for each in correlations]),
        "towers_exact": exact(max(exactly), len(exactly)),
    }
    doubt = not_stationary(draws.rhat.values.ravel())
    found = {name: doubtful(number, doubt) for name, number in found.items()}
    return _histograms(correlations[0], task, worth[0]), found | properties("towers", kernels)


def _deviation(blocks: Array, task: NDArray[np.int64]) -> float:
    """|Mean of R across tasks| over its standard error, from the chains' own means."""
    deviation = np.sqrt(np.diagonal(blocks.mean(0)))
    scale = np.where(deviation > 0, 1 / np.maximum(deviation, 1e-300), 0)
    apart = task[:, None] != task
    means = np.array([(each * np.outer(scale, scale))[apart].mean() for each in blocks])
    return float(abs(means.mean()) / (means.std(ddof=1) / len(means) ** 0.5))


def _histograms(correlations: Array, task: NDArray[np.int64], worth: float) -> pd.DataFrame:
    pairs = np.triu_indices(len(correlations), 1)
    values, same = correlations[pairs], (task[:, None] == task)[pairs]
    reach = float(np.quantile(np.abs(values), 0.998))
    edges = np.linspace(-reach, reach, BINS + 1)
    tables = []
    for block, chosen in (("within", values[same]), ("across", values[~same])):
        counts, _ = np.histogram(chosen, edges)
        tables.append(
            pd.DataFrame(
                {
                    "block": block,
                    "left": edges[:-1],
                    "right": edges[1:],
                    "density": counts / len(chosen) / np.diff(edges),
                    "effective_draws": worth,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)

"""Claims A6 and A7: two arithmetic tasks in one network, by the exact and the sampled kernel."""

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
    clusters_agreement,
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
SHARINGS = ("everything", "outputs", "hidden")
"""What the two tasks share, most first."""


@dataclass(frozen=True)
class Settings:
    """The testbeds' own settings by what is shared, and permutations."""

    models: dict[str, dict[str, Any]]
    permutations: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """How well kernels tell two tasks of one network apart.

    inputs   of each of SHARINGS, draws as `<sharing>` and checkpoints as `<sharing>_points`
    returns  one row per sharing, model and kernel (exact, the Gauss-Newton one at the settings of
             the draws; sampled): auc of R and auc_strength of |R| for pairs of the same task, ari
             of as many spectral clusters, mean R and root-mean-square R within and across tasks
             (without noise), of the sampled pearson with the exact R over pairs. Statistics, means
             over models, with <sharing> at the end:
               exact_auc_, exact_ari_, sampled_auc_, sampled_ari_, sampled_pearson_
               exact_ratio_, sampled_ratio_   root-mean-square R across over within
               sampled_p_                     of the difference of mean R^2 within and across, tasks
                                              in random order, mean over models
               sampled_draws_                 least number of effective draws
             and arithmetic_least_eigenvalue, arithmetic_affine_change (`kernels.properties`).
    """
    wanted = build(Settings, settings, "papers.loss_kernel.arithmetic")
    rows: list[dict[str, Any]] = []
    found: dict[str, Measured] = {}
    kernels: list[Array] = []
    for sharing in SHARINGS:
        draws, points = inputs[sharing][0], inputs[f"{sharing}_points"][0]
        testbed = modular_arithmetic.build(dict(wanted.models[sharing]), int(draws.attrs["seed"]))
        task = testbed.data["task"].numpy()
        points = points.at(points.places({"step": int(points.index["step"].max())}))
        sampled = traces(draws)
        squares = []
        for model, losses in enumerate(sampled):
            exactly = normalised(exact_covariances(testbed, points, model, draws).whole)
            blocks = block_covariances(losses)
            squares.append(squared_correlations(blocks))
            noisy = normalised(blocks.mean(0))
            pairs = np.triu_indices(len(noisy), 1)
            common = {"sharing": sharing, "model": model}
            rows.append(
                common | {"kernel": "exact"} | _separation(exactly, np.square(exactly), task)
            )
            rows.append(
                common
                | {"kernel": "sampled", "effective_draws": effective_draws(losses)}
                | _separation(noisy, squares[-1], task)
                | {"pearson": float(np.corrcoef(exactly[pairs], noisy[pairs])[0, 1])}
            )
        found |= _statistics(sharing, pd.DataFrame(rows), not_stationary(draws.rhat.values.ravel()))
        mean = np.mean(squares, axis=0)

        def excess(order: NDArray[np.int64], mean: Array = mean) -> float:
            within, across = within_and_across(mean, order)
            return within - across

        found[f"sampled_p_{sharing}"] = permutation_p(
            excess, task, repeats=wanted.permutations, seed=0
        )
        kernels += sampled
    return pd.DataFrame(rows), found | properties("arithmetic", kernels)


def _separation(correlations: Array, squares: Array, task: NDArray[np.int64]) -> dict[str, float]:
    within, across = within_and_across(correlations, task)
    strong, weak = (float(strength(value)) for value in within_and_across(squares, task))
    return {
        "auc": auc(correlations, task),
        "auc_strength": auc(np.abs(correlations), task),
        "ari": clusters_agreement(correlations, task),
        "mean_within": within,
        "mean_across": across,
        "within": strong,
        "across": weak,
        "ratio": across_over_within(squares, task),
    }


def _statistics(sharing: str, table: pd.DataFrame, doubt: str) -> dict[str, Measured]:
    rows = table[table["sharing"] == sharing]
    found = {}
    for kernel, columns in (
        ("exact", ("auc", "ari", "ratio")),
        ("sampled", ("auc", "ari", "ratio", "pearson")),
    ):
        chosen = rows[rows["kernel"] == kernel]
        for column in columns:
            number = mean_of(chosen[column])
            found[f"{kernel}_{column}_{sharing}"] = doubtful(
                number, number.doubt or (doubt if kernel == "sampled" else "")
            )
    found[f"sampled_draws_{sharing}"] = exact(rows["effective_draws"].min(), len(rows) // 2)
    return found

"""Claim A11: the levels of a tree of classes in kernels along training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.class_tree import leaf_distances
from stagewise.estimators.influence import block_covariances, normalised
from stagewise.estimators.loss_kernel import between_classes, squared_correlations, strength
from stagewise.findings.kernels import traces
from stagewise.findings.measured import (
    Measured,
    doubtful,
    mean_of,
    not_stationary,
    rank_correlation,
)
from stagewise.settings import build

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """The tree, whose samples stand in the order of its leaves."""

    depth: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """When the levels of the tree come to stand in the kernel.

    inputs   per seed, `draws` at log-spaced checkpoints, untrained (step 0) among them
    returns  one row per seed and step: loss, rise (of the loss along the chains); strength0,
             strength1, ..., the root mean square of R, without noise, at each tree distance, and
             mean0, mean1, ... of R; spearman (of strength over pairs of classes, with minus their
             distance). A level stands in the kernel as far as classes that it joins are coupled
             more than those it does not: coarse, log2 of strength at the second largest distance
             over that at the largest; fine, of that at 1 over that at 2. Statistics:
               coarse_before_fine   log2 of the step at which the coarse level first has half its
                                    final value, step 0 as 1/2, less that of the fine, mean over
                                    seeds
               untrained_fine, trained_fine       log2 ratios, means over seeds
               untrained_coarse, trained_coarse
    """
    wanted = build(Settings, settings, "papers.loss_kernel.development")
    tables = [_path(draws, wanted.depth) for draws in inputs["draws"]]
    table = pd.concat(tables, ignore_index=True)
    ends = {"untrained": table.groupby("seed").first(), "trained": table.groupby("seed").last()}
    found = {
        f"{name}_{level}": mean_of(rows[level])
        for name, rows in ends.items()
        for level in ("coarse", "fine")
    }
    found["coarse_before_fine"] = mean_of([_half(t, "coarse") - _half(t, "fine") for t in tables])
    doubt = not_stationary(np.concatenate([draws.rhat.values[:, 0] for draws in inputs["draws"]]))
    return table, {name: doubtful(n, n.doubt or doubt) for name, n in found.items()}


def _path(draws: xr.Dataset, depth: int) -> pd.DataFrame:
    distance = leaf_distances(depth)
    pairs = np.triu_indices(len(distance), 1)
    rows = []
    for place, losses in enumerate(traces(draws)):
        labels = np.arange(losses.shape[-1]) * len(distance) // losses.shape[-1]
        blocks = block_covariances(losses)
        coupled = between_classes(squared_correlations(blocks), labels)
        signed = between_classes(normalised(blocks.mean(0)), labels)
        strengths = [float(strength(coupled[distance == k].mean())) for k in range(depth + 1)]
        rows.append(
            {
                "seed": int(draws.attrs["seed"]),
                "step": int(draws["step"][place]),
                "loss": float(draws["loss_at_centre"][place]),
                "rise": float(draws["excess_loss"][place].mean()),
                **{f"strength{k}": value for k, value in enumerate(strengths)},
                **{f"mean{k}": float(signed[distance == k].mean()) for k in range(depth + 1)},
                "spearman": rank_correlation(coupled[pairs], -distance[pairs]),
                "coarse": _log_ratio(strengths[depth - 1], strengths[depth]),
                "fine": _log_ratio(strengths[1], strengths[2]),
            }
        )
    return pd.DataFrame(rows).sort_values("step", ignore_index=True)


def _log_ratio(near: float, far: float) -> float:
    return float(np.log2(near / far)) if near > 0 and far > 0 else np.nan


def _half(path: pd.DataFrame, level: str) -> float:
    """log2 of the first step at which the level has half of its final value."""
    reached = path[level] >= path[level].iloc[-1] / 2
    return float(np.log2(max(path["step"][reached].iloc[0], 0.5))) if reached.any() else np.nan

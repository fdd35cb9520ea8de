"""Essential dynamics: the path of the outputs, its forms, and random walks of the same steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.essential_dynamics import (
    Components,
    Curve,
    components,
    forms,
    gram,
    nearest,
    random_walks,
    smoothed,
)
from stagewise.estimators.milestones import milestones
from stagewise.estimators.plane_curves import evolute
from stagewise.findings.developmental_landscape_curves import Run, curves
from stagewise.findings.measured import Measured, doubtful, exact, not_stationary, share_of

ESTIMATES = ("language_llc", "regression_llc")
"""Inputs that are LLC tables of draws."""

FAMILIES = ("language", "regression")
COUNT = 3
"""Components looked at."""
LEVEL = 0.95
"""Quantile of the random walks that explained variance is held against."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Explained variance and forms of every run, against random walks with the same step norms.

    inputs    <family>_outputs: datasets with `outputs` (checkpoint, output) and `step`;
              <family>_llc: LLC tables of the same seeds, for the milestones
    settings  threshold, restarts (of the fits); walks; width: of the smoothing at the first and the
              last checkpoint, in checkpoints
    table     rows of kind `score` (a checkpoint), `curve` (a place of the smoothed curve, with the
              centre of its osculating circle in the plane of the first two), `form`, `milestone`
              and `spectrum` (share explained by a component, and by those of random walks)
    """
    rows: list[pd.DataFrame] = []
    found: dict[str, Measured] = {}
    for family in FAMILIES:
        runs = {run.seed: run for run in curves(inputs[f"{family}_llc"], settings)}
        measured = [
            _trajectory(data, runs[data.attrs["seed"]], settings)
            for data in inputs[f"{family}_outputs"]
        ]
        rows += [part.assign(family=family) for part, _ in measured]
        statistics = pd.DataFrame([one for _, one in measured])
        rhat = pd.concat([run.table["rhat"] for run in runs.values()])
        found |= _of_family(family, statistics, settings["walks"], not_stationary(rhat))
    return pd.concat(rows, ignore_index=True), found


def _of_family(family: str, runs: pd.DataFrame, walks: int, doubt: str) -> dict[str, Measured]:
    """The worst run of each; `doubt` concerns what rests on milestones."""
    n = len(runs)
    near = share_of(int(runs["walks_near"].sum()), n * walks)
    return {
        f"{family}_explained": exact(runs["explained"].min(), n=n),
        f"{family}_explained_above_walks": exact((runs["explained"] - runs["walks"]).min(), n=n),
        f"{family}_forms": exact(runs["forms"].min(), n=n),
        f"{family}_form_to_milestone": doubtful(exact(runs["nearest"].max(), n=n), doubt),
        f"control_{family}_walks_near_milestone": doubtful(near, doubt),
    }


def _trajectory(
    data: xr.Dataset, run: Run, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, float]]:
    steps, kept = np.unique(data["step"].values, return_index=True)
    products = gram(data["outputs"].values[kept])
    path = components(products, COUNT)
    curve = _smoothed(path, settings)
    places = forms(curve)
    wanted = _places(milestones(run.stages), steps)
    walked = [
        components(walk, COUNT)
        for walk in random_walks(
            products, dimension=data.sizes["output"], count=settings["walks"], seed=run.seed
        )
    ]
    near = [nearest(forms(w := _smoothed(walk, settings)), wanted, w) <= 1 for walk in walked]
    shares = np.array([walk.shares for walk in walked])
    statistics = {
        "explained": float(path.shares.sum()),
        "walks": float(np.quantile(shares.sum(1), LEVEL)),
        "forms": float(len(places)),
        "nearest": nearest(places, wanted, curve),
        "walks_near": float(sum(near)),
    }
    table = pd.concat(
        [
            _table("score", np.arange(len(steps)), steps, path.scores),
            _table("curve", curve.places, steps, curve.points, _centres(curve)),
            _table("form", places, steps, _at(curve, places)),
            _table("milestone", wanted, steps, _at(curve, wanted)),
            pd.DataFrame(
                {
                    "kind": "spectrum",
                    "component": np.arange(1, COUNT + 1),
                    "share": path.shares,
                    "walk_mean": shares.mean(0),
                    "walk_low": np.quantile(shares, 1 - LEVEL, axis=0),
                    "walk_high": np.quantile(shares, LEVEL, axis=0),
                }
            ),
        ],
        ignore_index=True,
    )
    return table.assign(seed=run.seed), statistics


def _smoothed(path: Components, settings: Mapping[str, Any]) -> Curve:
    first, last = settings["width"]
    return smoothed(path.scores, (float(first), float(last)))


def _places(steps: list[float], of: NDArray[Any]) -> list[float]:
    """Places of steps between the checkpoints, by log(step + 1)."""
    return [float(np.interp(np.log1p(s), np.log1p(of), np.arange(len(of)))) for s in steps]


def _at(curve: Curve, places: list[float]) -> NDArray[Any]:
    return np.stack([np.interp(places, curve.places, column) for column in curve.points.T], axis=1)


def _centres(curve: Curve) -> NDArray[Any]:
    return evolute(curve.places, curve.points[:, :2])


def _table(
    kind: str,
    places: Any,
    steps: NDArray[Any],
    points: NDArray[Any],
    centres: NDArray[Any] | None = None,
) -> pd.DataFrame:
    at = np.interp(places, np.arange(len(steps)), np.log1p(steps))
    columns = {f"pc{k + 1}": column for k, column in enumerate(points.T)}
    if centres is not None:
        columns |= {"centre1": centres[:, 0], "centre2": centres[:, 1]}
    return pd.DataFrame({"kind": kind, "place": places, "step": np.expm1(at), **columns})

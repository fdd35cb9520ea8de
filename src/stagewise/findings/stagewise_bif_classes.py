"""Influence between classes of tokens along the training of a language model, and its curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from stagewise.estimators.crossings import part_way
from stagewise.estimators.group_influence import group_correlation, group_covariance
from stagewise.estimators.influence import Estimate
from stagewise.findings.measured import Measured, doubtful, exact, mean_of, not_stationary
from stagewise.findings.stagewise_bif_clock import first_at_least, geometric_mean, onset
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points

MEASURES = ("covariance", "correlation")


def class_rows(
    draws: xr.Dataset, classes: Mapping[str, NDArray[np.bool_]], *, blocks: int, number: int
) -> pd.DataFrame:
    """One row per checkpoint and pair of classes (first, second) of one run.

    draws    with traces of the observable `mixed`
    classes  tokens (sequence, position) of each
    blocks   stretches that each chain is cut into, for errors
    number   seed of the shuffled draws
    returns  seed, step, covariance and correlation (minus the influence) with errors, pooled (the
             covariance about the mean of all chains), shuffled (with the draws of every token in an
             order of their own), loss_rise (of all tokens, relative), trend (share of the variance
             of that loss that is a linear trend along each chain)
    """
    chosen = np.stack(list(classes.values()))
    random = np.random.default_rng(number)
    rows = []
    for place, step in enumerate(draws["step"].values):
        losses = np.asarray(draws["mixed_loss"][place, 0].values, dtype=np.float64)
        if losses.shape[2:] != chosen.shape[1:]:
            raise SettingsError(f"mixed: {losses.shape[2:]} tokens, expected {chosen.shape[1:]}")
        centre = float(draws["mixed_loss_at_centre"][place].mean())
        mean = losses.mean((2, 3))
        common = {
            "seed": draws.attrs["seed"],
            "step": int(step),
            "loss_rise": float(mean.mean()) / centre - 1,
            "trend": _trend(mean),
        }
        found = {
            "covariance": group_covariance(losses, chosen, blocks=blocks),
            "correlation": group_correlation(losses, chosen, blocks=blocks),
            "pooled": group_covariance(losses, chosen, pooled=True),
            "shuffled": group_covariance(random.permuted(losses, axis=1), chosen),
        }
        rows += _pairs(common, list(classes), found)
    return pd.DataFrame(rows)


def batch_ratio(
    rows: pd.DataFrame,
    twice: xr.Dataset,
    classes: Mapping[str, NDArray[np.bool_]],
    name: str,
    *,
    blocks: int,
) -> float:
    """Of one run, the covariance of a class with itself over that of draws by batches of twice the
    size, mean over the checkpoints of the latter; from 1 to 2 as noise of minibatches goes from
    none of the covariance to all of it."""
    again = class_rows(twice, {name: classes[name]}, blocks=blocks, number=0)
    once = rows[of_pair(rows, name, name)].set_index("step")["covariance"]
    return float((once / again.set_index("step")["covariance"]).dropna().mean())


def _pairs(
    common: Mapping[str, Any], names: list[str], found: Mapping[str, Estimate]
) -> list[dict[str, Any]]:
    return [
        {**common, "first": names[a], "second": names[b]}
        | {name: float(estimate.value[a, b]) for name, estimate in found.items()}
        | {f"{name}_error": float(found[name].error[a, b]) for name in MEASURES}
        for a in range(len(names))
        for b in range(a, len(names))
    ]


def _trend(mean: NDArray[np.float64]) -> float:
    """Share of the variance of (chain, draw) within chains that is linear in the draw."""
    time = np.arange(mean.shape[1]) - (mean.shape[1] - 1) / 2
    apart = mean - mean.mean(1, keepdims=True)
    linear = (apart @ time) ** 2 / (time @ time)
    return float(linear.sum() / (apart**2).sum())


def learned(draws: xr.Dataset, chosen: NDArray[np.bool_]) -> float:
    """The step at which the mean loss of those tokens (sequence, position), without noise, has half
    fallen."""
    losses = draws["mixed_loss_at_centre"].values
    return part_way(draws["step"].values, losses[:, chosen].mean(1))


def with_gap(rows: pd.DataFrame, run: Points, share: float) -> pd.DataFrame:
    """The rows of one run with gap, the induction gap of their checkpoint, and onset, the first
    step of the run at which that has this share of its last value."""
    gaps = run.index.set_index("step")["induction_gap"]
    return rows.assign(onset=onset(gaps.index, gaps, share), gap=rows["step"].map(gaps))


def of_pair(rows: pd.DataFrame, first: str, second: str) -> "pd.Series[bool]":
    """Which rows are of those two classes."""
    return (rows["first"] == first) & (rows["second"] == second)


def own_curve(rows: pd.DataFrame, name: str, of: str) -> pd.DataFrame:
    """Of one run: step, onset and the absolute influence of a class on itself, as `size`."""
    own = rows[of_pair(rows, name, name)].sort_values("step")
    return own[["step", "onset"]].assign(size=own[of].abs())


def peak(rows: pd.DataFrame, name: str, of: str) -> float:
    """The greatest of that curve over the median before the onset."""
    curve = own_curve(rows, name, of)
    before = curve.loc[curve["step"] < curve["onset"], "size"]
    return float(curve["size"].max() / before.median())


def half_step(rows: pd.DataFrame, name: str, of: str) -> float:
    """The first step with half of the greatest."""
    curve = own_curve(rows, name, of)
    return first_at_least(curve["step"], curve["size"], curve["size"].max() / 2)


def since_onset(runs: list[pd.DataFrame], name: str, of: str) -> Measured:
    """That step over the onset's, one added to both, geometric mean over runs."""
    ratios = [(half_step(rows, name, of) + 1) / (float(rows["onset"].iloc[0]) + 1) for rows in runs]
    return geometric_mean(ratios)


def left_of(rows: pd.DataFrame, name: str, of: str) -> tuple[float, float]:
    """The first and the last of the curve over the greatest."""
    curve = own_curve(rows, name, of)["size"].to_numpy()
    return float(curve[0] / curve.max()), float(curve[-1] / curve.max())


def delimiters(rows: pd.DataFrame, pair: tuple[str, str], of: str) -> tuple[float, float]:
    """Of two classes with each other, after the start until closing ones are learned (column
    `brackets`), and from there on."""
    both = rows[of_pair(rows, *pair) & (rows["step"] > 0)]
    learned = both["step"] >= both["brackets"]
    return float(both.loc[~learned, of].mean()), float(both.loc[learned, of].mean())


def checks(runs: list[pd.DataFrame], name: str) -> dict[str, Measured]:
    """What says whether the draws can be trusted, of one class on itself: shuffled; batch_ratio
    (geometric mean over seeds); and medians over seeds and checkpoints from the onset on of
    loss_rise, trend and pooled, the last over the covariance."""
    table = pd.concat(runs, ignore_index=True)
    later = table[(table["step"] >= table["onset"]) & of_pair(table, name, name)]
    greatest = {
        of: np.array([own_curve(rows, name, of)["size"].max() for rows in runs])
        for of in ("shuffled", "covariance")
    }
    return {
        "shuffled": mean_of(greatest["shuffled"] / greatest["covariance"]),
        "batch_ratio": geometric_mean([float(rows["batch_ratio"].iloc[0]) for rows in runs]),
        "loss_rise": exact(float(later["loss_rise"].median()), len(runs)),
        "trend": exact(float(later["trend"].median()), len(runs)),
        "pooled": exact(float((later["pooled"] / later["covariance"]).median()), len(runs)),
    }


def named(
    found: Mapping[str, Measured], prefix: str, draws: list[xr.Dataset]
) -> dict[str, Measured]:
    """The statistics as `<prefix>_...`, doubted where chains are not stationary."""
    rhat: ArrayLike = np.concatenate([one.rhat.values.ravel() for one in draws])
    doubt = not_stationary(rhat)
    return {f"{prefix}_{name}": doubtful(number, doubt) for name, number in found.items()}

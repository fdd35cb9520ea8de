"""Influence of dog along the training on the hierarchy: sampled, and in closed form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.semantic_hierarchy import ITEMS, modes, tree
from stagewise.estimators.influence_curves import flip, likeness, positive_peak
from stagewise.findings.measured import Measured, exact, mean_of, rank_correlation
from stagewise.findings.stagewise_bif_curves import Curves, curves, denser, times_of
from stagewise.findings.stagewise_bif_dynamics import OF, PAIRS
from stagewise.testbeds.testbed import Points
from stagewise.theory.linear_learning import gradient_kernel, second_order_covariance

Array = NDArray[np.float64]

LAST_SHARED = {"oak": 0, "sparrow": 1, "cat": 2}
"""Of dog and the item: the last mode that both are on the same side of. The first that separates
them is the next on dog's branch of the tree."""
SEPARATING = {"oak": 1, "sparrow": 2, "cat": 4}


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claims C2 and C4 of Lee et al. (2510.12071), and the sampler against closed forms.

    inputs   checkpoints (trajectories); draws with the observable `items`: sgld, early (more of
             them, where influence is small), tethered (twice the localization), untempered
             (n beta = 0)
    table    kind "influence": gamma times -Cov of dog with every item at every checkpoint, its
             error and its two closed forms; kind "pair": Cov of any two items at some checkpoints,
             with the closed form, for each sampling; kind "mode": measured strengths; kind
             "hidden": coordinates of the hidden representations on their two first axes
    returns  statistics over seeds:
               hierarchy_negative_z, _positive_z  weakest over seeds and pairs: the influence in
                   standard errors at its most negative before, at its most positive at, its peak
               hierarchy_flip_order    smallest step from one flip to the next, oak, sparrow, cat
               hierarchy_peak_outside  farthest that a peak lies outside of the time from the half
                   of the last mode that the pair shares to that of the first that separates it
               hierarchy_pearson, _slope, _frobenius  of Cov with the second-order closed form:
                   between different items; regression through 0; of the whole matrices,
                   relative error
               hierarchy_untempered_pearson, _untempered_slope  the same at n beta = 0
               hierarchy_permuted_pearson  the same, draws permuted: a control
               hierarchy_kernel_frobenius  relative difference of the two closed forms, K / gamma
                   times the effect 1 / (1 - epsilon gamma / 4) of the step
               hierarchy_tether_ratio  size of Cov at gamma over that at twice gamma
               hierarchy_branch_order  Spearman's of branch times in the hidden representations
                   with the peaks, smallest
               hierarchy_branch_lead   smallest time from a peak to its branch
    """
    rows: list[dict[str, Any]] = []
    seeds: list[dict[str, float]] = []
    weakest: list[tuple[float, float]] = []
    for place, points in enumerate(inputs["checkpoints"]):
        seed = int(points.index["seed"].iloc[0])
        plain = curves(inputs["sgld"][place])
        found = denser(plain, curves(inputs["early"][place]))
        gamma = float(inputs["sgld"][place]["localization"])
        run: dict[str, float] = {}
        flips, peaks = [], []
        at = _aligned(points, found.times)
        step = 1 - float(inputs["sgld"][place]["epsilon"].max()) * gamma / 4
        rows += _influence_rows(points, found, gamma, at, step)
        halves = _half_times(points)
        branches = []
        for item in PAIRS:
            curve = -gamma * found.value[:, OF, ITEMS.index(item)]
            z = curve / (gamma * found.error[:, OF, ITEMS.index(item)])
            peak = int(curve.argmax())
            weakest.append((float(z[: peak + 1].min()), float(z[peak])))
            flips.append(flip(found.times, curve))
            peaks.append(positive_peak(found.times, curve))
            low, high = halves[LAST_SHARED[item]], halves[SEPARATING[item]]
            run["outside"] = max(run.get("outside", 0.0), low - peaks[-1], peaks[-1] - high)
            branches.append(_branch_time(points, item))
        run["flip_order"] = float(np.diff(flips).min())
        run["branch_order"] = rank_correlation(branches, peaks)
        run["branch_lead"] = float(np.min(np.array(branches) - peaks))
        drawn = {name: inputs[name][place] for name in ("sgld", "untempered")}
        compared = {
            "sgld": (plain, _expected(points, drawn["sgld"], settings["every"])),
            "untempered": (curves(drawn["untempered"]), _expected(points, drawn["untempered"], 1)),
        }
        compared["permuted"] = curves(drawn["sgld"], permuted=True), compared["sgld"][1]
        for name, (sampled, expected) in compared.items():
            pairs = _pairs(sampled, gamma, expected)
            rows += [{"kind": "pair", "seed": seed, "sampling": name, **row} for row in pairs]
            run |= {f"{name}_{key}": value for key, value in _agreement(pairs).items()}
        run["kernel_frobenius"] = _kernel_difference(rows, seed)
        run["tether_ratio"] = _tether_ratio(plain, curves(inputs["tethered"][place]))
        seeds.append(run)
        rows += _development_rows(points, seed)
    whole = pd.DataFrame(seeds)
    n = len(weakest)
    return pd.DataFrame(rows), {
        "hierarchy_negative_z": exact(max(low for low, _ in weakest), n),
        "hierarchy_positive_z": exact(min(high for _, high in weakest), n),
        **{
            f"hierarchy_{name}": mean_of(whole[column])
            for name, column in (
                ("flip_order", "flip_order"),
                ("peak_outside", "outside"),
                ("pearson", "sgld_pearson"),
                ("slope", "sgld_slope"),
                ("frobenius", "sgld_frobenius"),
                ("untempered_pearson", "untempered_pearson"),
                ("untempered_slope", "untempered_slope"),
                ("permuted_pearson", "permuted_pearson"),
                ("kernel_frobenius", "kernel_frobenius"),
                ("tether_ratio", "tether_ratio"),
                ("branch_lead", "branch_lead"),
            )
        },
        "hierarchy_branch_order": exact(float(whole["branch_order"].min()), len(whole)),
    }


def _weights(points: Points, place: int) -> tuple[Array, Array]:
    first, second = (points.parameters[name][place].double().numpy() for name in ("W1", "W2"))
    return first, second


def _aligned(points: Points, wanted: Array) -> list[int]:
    """The row of the trajectory at each of those times."""
    times = times_of(points.index)
    return [int(np.abs(times - time).argmin()) for time in wanted]


def _influence_rows(
    points: Points, found: Curves, gamma: float, at: list[int], step: float
) -> list[dict[str, Any]]:
    rows = []
    for place, time in enumerate(found.times):
        kernel = gradient_kernel(*_weights(points, at[place]), tree()) / step
        rows += [
            {
                "kind": "influence",
                "seed": found.seed,
                "time": time,
                "item": item,
                "influence": -gamma * found.value[place, OF, number],
                "error": gamma * found.error[place, OF, number],
                "correlation": -found.value[place, OF, number]
                / np.sqrt(found.value[place, OF, OF] * found.value[place, number, number]),
                "kernel": -kernel[OF, number],
            }
            for number, item in enumerate(ITEMS)
        ]
    return rows


def _expected(points: Points, draws: xr.Dataset, every: int) -> dict[int, tuple[Array, Array]]:
    """Every so many of the draws' checkpoints -> gamma Cov of the items (item, item) there, to
    second order and for strong localization, both with the effect of the step size."""
    gamma, nbeta = float(draws["localization"]), float(draws["nbeta"][0])
    at = _aligned(points, times_of(draws))
    found = {}
    for place in range(0, len(at), every):
        weights = _weights(points, at[place])
        epsilon = float(draws["epsilon"][place, 0])
        closed = second_order_covariance(
            *weights, tree(), nbeta=nbeta, localization=gamma, epsilon=epsilon
        )
        kernel = gradient_kernel(*weights, tree()) / (1 - epsilon * gamma / 4)
        found[place] = gamma * closed, kernel
    return found


def _pairs(
    found: Curves, gamma: float, expected: Mapping[int, tuple[Array, Array]]
) -> list[dict[str, Any]]:
    """gamma Cov of all pairs of items at those checkpoints, sampled and in closed form."""
    return [
        {
            "time": found.times[place],
            "item": ITEMS[one],
            "other": ITEMS[two],
            "covariance": gamma * found.value[place, one, two],
            "closed_form": closed[one, two],
            "kernel": kernel[one, two],
        }
        for place, (closed, kernel) in expected.items()
        for one in range(len(ITEMS))
        for two in range(one, len(ITEMS))
    ]


def _agreement(rows: list[dict[str, Any]]) -> dict[str, float]:
    table = pd.DataFrame(rows)
    apart = table[table["item"] != table["other"]]
    sampled, closed = apart["covariance"].to_numpy(), apart["closed_form"].to_numpy()
    twice = np.where(table["item"] == table["other"], 1.0, 2.0)
    differences = (table["covariance"] - table["closed_form"]) ** 2
    return {
        "pearson": likeness(sampled, closed),
        "slope": float((sampled * closed).sum() / (closed**2).sum()),
        "frobenius": float(
            np.sqrt((twice * differences).sum() / (twice * table["closed_form"] ** 2).sum())
        ),
    }


def _kernel_difference(rows: list[dict[str, Any]], seed: int) -> float:
    pairs = [row for row in rows if row.get("sampling") == "sgld" and row["seed"] == seed]
    closed, kernel = (np.array([row[name] for row in pairs]) for name in ("closed_form", "kernel"))
    return float(np.linalg.norm(kernel - closed) / np.linalg.norm(closed))


def _tether_ratio(found: Curves, tethered: Curves) -> float:
    """Norms between different items, over the checkpoints that both have."""
    apart = ~np.eye(len(ITEMS), dtype=bool)
    both = [int(np.abs(found.times - time).argmin()) for time in tethered.times]
    return float(
        np.linalg.norm(found.value[both][:, apart]) / np.linalg.norm(tethered.value[:, apart])
    )


def _strengths(points: Points) -> tuple[Array, Array, Array]:
    """Times, u_a^T W2 W1 v_a (time, mode), and singular values."""
    right = modes()
    values = np.linalg.norm(tree() @ right, axis=0)
    left = tree() @ right / values
    one, two = points.parameters["W1"].double().numpy(), points.parameters["W2"].double().numpy()
    return times_of(points.index), np.einsum("pm,tph,thi,im->tm", left, two, one, right), values


def _half_times(points: Points) -> Array:
    times, strengths, values = _strengths(points)
    shares = strengths / values
    return np.array([_crossing(times, share, 0.5) for share in shares.T])


def _crossing(times: Array, curve: Array, level: float) -> float:
    """The first time at which the curve is at the level, interpolated; not a number if never."""
    above = np.flatnonzero(curve >= level)
    if not len(above):
        return float("nan")
    place = int(above[0])
    if place == 0:
        return float(times[0])
    before, after = curve[place - 1], curve[place]
    return float(
        times[place - 1] + (level - before) / (after - before) * (times[place] - times[place - 1])
    )


def _branch_time(points: Points, item: str) -> float:
    """When the squared distance of the hidden representations of dog and the item reaches half of
    what the first mode that separates them ends with, s_a (v_a,dog - v_a,item)^2."""
    right = modes()
    mode, number = SEPARATING[item], ITEMS.index(item)
    values = np.linalg.norm(tree() @ right, axis=0)
    final = values[mode] * (right[OF, mode] - right[number, mode]) ** 2
    hidden = points.parameters["W1"].double().numpy()
    distances = ((hidden[:, :, OF] - hidden[:, :, number]) ** 2).sum(1)
    return _crossing(times_of(points.index), distances, final / 2)


def _development_rows(points: Points, seed: int) -> list[dict[str, Any]]:
    times, strengths, values = _strengths(points)
    halves = _half_times(points)
    rows = [
        {
            "kind": "mode",
            "seed": seed,
            "time": time,
            "mode": mode,
            "strength": strengths[place, mode],
            "singular_value": values[mode],
            "half_time": halves[mode],
        }
        for place, time in enumerate(times)
        for mode in range(len(values))
    ]
    hidden = points.parameters["W1"].double().numpy()  # (time, unit, item)
    centred = hidden - hidden.mean(2, keepdims=True)
    axes = np.linalg.svd(centred[-1])[0][:, :2]
    rows += [
        {
            "kind": "hidden",
            "seed": seed,
            "time": time,
            "item": item,
            "first": float(axes[:, 0] @ centred[place, :, number]),
            "second": float(axes[:, 1] @ centred[place, :, number]),
        }
        for place, time in enumerate(times)
        for number, item in enumerate(ITEMS)
    ]
    return rows

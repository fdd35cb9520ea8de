"""Influence of dog by retraining: weights a little changed, left out, left out for a while."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.data.semantic_hierarchy import ITEMS, tree
from stagewise.estimators.influence_curves import flip, likeness, positive_peak
from stagewise.findings.measured import Measured, exact, mean_of
from stagewise.findings.stagewise_bif_curves import curves, times_of
from stagewise.findings.stagewise_bif_dynamics import OF, PAIRS
from stagewise.theory.linear_learning import Change, flow, sensitivity


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claims C3 and C5 of Lee et al. (2510.12071): is the sampled influence that of training?

    inputs    checkpoints (trajectories), sgld (draws with the observable `items`)
    settings  window (time for which dog is left out), every (time between two windows)
    table     kind "influence": of dog on an item at every time, by sensitivity of its loss to
              dog's weight and by leaving dog out all along; kind "window": change of the loss of
              an item at the end of a window without dog
    returns   statistics, means over seeds of the worst pair of each:
                retraining_loo, retraining_bif  smallest correlation over time, over items but dog,
                    of leaving out, and of the sampled influence, with the sensitivity
                retraining_peak_apart  largest distance of the two peaks of influence, over PAIRS
                retraining_window_miss  largest distance of a pair's peak of influence from the
                    window with the largest score among those from two before its flip on
                retraining_window_ratio  smallest of that score over the median of all windows
                retraining_other_hits  of the three pairs, how many windows also hold the peak of
                    the next pair: a control
    """
    rows: list[dict[str, Any]] = []
    seeds = []
    for points, draws in zip(inputs["checkpoints"], inputs["sgld"], strict=True):
        index = points.index
        seed, rate = int(index["seed"].iloc[0]), float(index["learning_rate"].iloc[0])
        times = times_of(index)
        steps, every = int(index["step"].iloc[-1]), int(index["step"].iloc[1])
        first, second = (points.parameters[name][0].double().numpy() for name in ("W1", "W2"))
        sensitive = sensitivity(first, second, tree(), OF, rate=rate, steps=steps, every=every)
        starts = np.arange(0, times[-1] - settings["window"] + 1e-9, settings["every"])
        changes = [Change(OF, 0.0), Change(OF, -1.0)]
        changes += [Change(OF, -1.0, start, start + settings["window"]) for start in starts]
        losses, _ = flow(first, second, tree(), changes, rate=rate, steps=steps, every=every)
        left_out = losses[0] - losses[1]
        ends = [int(np.abs(times - start - settings["window"]).argmin()) for start in starts]
        scores = np.abs(
            np.stack([losses[2 + k, end] - losses[0, end] for k, end in enumerate(ends)])
        )
        sampled = curves(draws)
        shown = [int(np.abs(times - time).argmin()) for time in sampled.times]
        bif = -sampled.value[:, OF]
        others = [number for number in range(len(ITEMS)) if number != OF]
        run = {
            "loo": min(likeness(sensitive[:, j], left_out[:, j]) for j in others),
            "bif": min(likeness(sensitive[shown, j], bif[:, j]) for j in others),
            "peak_apart": 0.0,
            "window_miss": 0.0,
            "window_ratio": np.inf,
            "other_hits": 0.0,
        }
        peaks = [positive_peak(sampled.times, bif[:, ITEMS.index(item)]) for item in PAIRS]
        for place, item in enumerate(PAIRS):
            number = ITEMS.index(item)
            apart = abs(peaks[place] - positive_peak(times, sensitive[:, number]))
            run["peak_apart"] = max(run["peak_apart"], apart)
            after = starts >= flip(sampled.times, bif[:, number]) - 2
            best = float(starts[after][scores[after, number].argmax()])
            run["window_miss"] = max(
                run["window_miss"], _outside(peaks[place], best, settings["window"])
            )
            ratio = scores[after, number].max() / np.median(scores[:, number])
            run["window_ratio"] = min(run["window_ratio"], float(ratio))
            other = peaks[(place + 1) % len(PAIRS)]
            run["other_hits"] += _outside(other, best, settings["window"]) <= 1
            rows += [
                {"kind": "window", "seed": seed, "item": item, "time": start, "score": score}
                for start, score in zip(starts, scores[:, number], strict=True)
            ]
        rows += [
            {
                "kind": "influence",
                "seed": seed,
                "time": time,
                "item": item,
                "sensitivity": sensitive[place, number],
                "left_out": left_out[place, number],
            }
            for number, item in enumerate(ITEMS)
            for place, time in enumerate(times)
        ]
        seeds.append(run)
    whole = pd.DataFrame(seeds)
    found = {f"retraining_{name}": mean_of(whole[name]) for name in whole if name != "other_hits"}
    hits = exact(float(whole["other_hits"].max()), len(whole))
    return pd.DataFrame(rows), {**found, "retraining_other_hits": hits}


def _outside(time: float, start: float, length: float) -> float:
    """How far the time lies outside of the window."""
    return max(0.0, start - time, time - start - length)

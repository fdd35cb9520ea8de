"""The semantic hierarchy from aligned weights, where all is known: modes, kernel, sensitivity."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.data.semantic_hierarchy import ITEMS, modes, tree
from stagewise.estimators.influence_curves import flip, likeness, positive_peak
from stagewise.findings.measured import Measured, exact
from stagewise.theory.linear_learning import (
    Change,
    aligned,
    analytic_influence,
    flow,
    half_time,
    mode_strength,
    sensitivity,
)

OF = 0
"""The item whose influence is followed: dog."""
PAIRS = ("oak", "sparrow", "cat")
"""On whom, from afar to near."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Closed forms of learning and of influence against gradient descent.

    settings  rate (step of descent), until (time), start (strength a0 of each mode), width
    table     kind "mode": strength of a mode in descent and in closed form at each time; kind
              "influence": of dog on an item, -K_ij from the modes, by sensitivity of the losses to
              dog's weight, and by the analytic formula
    returns   dynamics_error_max      largest difference of a mode's strength from its closed form
              dynamics_halving_ratio  that over the same with half the rate
              dynamics_analytic_min   smallest correlation over time, over items, of the analytic
                                      formula with the sensitivity
              dynamics_flip_ITEM, dynamics_peak_ITEM, times of -K_ij of dog and the item, on a grid
              of width 1 (a flip is its first positive place)
    """
    rate, until, start = settings["rate"], settings["until"], settings["start"]
    targets, right = tree(), modes()
    values = np.linalg.norm(targets @ right, axis=0)
    left = targets @ right / values
    weights = aligned(targets, width=settings["width"], start=start, seed=0)
    errors = []
    for used in (rate, rate / 2):
        steps, every = round(until / used), round(1 / used)
        _, products = flow(
            *weights, targets, [Change(OF, 0.0)], rate=used, steps=steps, every=every
        )
        found = np.einsum("pm,tpi,im->tm", left, products[0], right)
        times = np.arange(len(found), dtype=float)
        exactly = np.stack(
            [mode_strength(times, s, items=len(ITEMS), start=start) for s in values], axis=1
        )
        errors.append(float(np.abs(found - exactly).max()))
        if used == rate:
            strengths = found
    rows = [
        {
            "kind": "mode",
            "time": time,
            "mode": mode,
            "singular_value": values[mode],
            "half_time": half_time(values[mode], items=len(ITEMS), start=start),
            "strength": strengths[place, mode],
            "closed_form": exactly[place, mode],
        }
        for place, time in enumerate(times)
        for mode in range(len(values))
    ]
    kernel = _kernel(strengths, values, right)
    steps, every = round(until / rate), round(1 / rate)
    sensitive = sensitivity(*weights, targets, OF, rate=rate, steps=steps, every=every)
    analytic = analytic_influence(targets, OF, times, start=start)
    rows += [
        {
            "kind": "influence",
            "time": time,
            "item": item,
            "kernel": -kernel[place, number],
            "sensitivity": sensitive[place, number],
            "analytic": analytic[place, number],
        }
        for number, item in enumerate(ITEMS)
        for place, time in enumerate(times)
    ]
    statistics = {
        "dynamics_error_max": exact(errors[0], len(times)),
        "dynamics_halving_ratio": exact(errors[0] / errors[1], len(times)),
        "dynamics_analytic_min": exact(
            min(likeness(sensitive[:, j], analytic[:, j]) for j in range(len(ITEMS))), len(ITEMS)
        ),
    }
    for item in PAIRS:
        curve = -kernel[:, ITEMS.index(item)]
        statistics[f"dynamics_flip_{item}"] = exact(float(np.ceil(flip(times, curve))))
        statistics[f"dynamics_peak_{item}"] = exact(positive_peak(times, curve))
    return pd.DataFrame(rows), statistics


def _kernel(strengths: Any, values: Any, right: Any) -> Any:
    """K_0j = [sum_a (s_a - g_a)^2 v_a0 v_aj] [sum_a g_a v_a0 v_aj] of aligned weights, for j != 0,
    (time, item): what is still to be learned, times what is learned."""
    shared = right[OF][None, :] * right
    return (((values - strengths) ** 2) @ shared.T) * (strengths @ shared.T)

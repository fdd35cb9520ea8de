"""The same singular values without a hierarchy: does the order of the flips hold?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.data.semantic_hierarchy import ITEMS
from stagewise.estimators.influence_curves import flip
from stagewise.findings.measured import Measured, share_of
from stagewise.findings.stagewise_bif_curves import curves
from stagewise.findings.stagewise_bif_dynamics import OF, PAIRS


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """A control of claim C2 of Lee et al. (2510.12071).

    inputs   sgld: draws with the observable `items`
    table    -gamma Cov of dog with every item at every checkpoint
    returns  unstructured_order  share of the seeds in which the influence of dog turns on oak,
             sparrow and cat in that order (a sixth by chance)
    """
    rows, ordered = [], 0
    for draws in inputs["sgld"]:
        found, gamma = curves(draws), float(draws["localization"])
        influence = -gamma * found.value[:, OF]
        flips = [flip(found.times, influence[:, ITEMS.index(item)]) for item in PAIRS]
        ordered += bool((np.diff(flips) > 0).all())
        rows += [
            {"seed": found.seed, "time": time, "item": item, "influence": influence[place, number]}
            for number, item in enumerate(ITEMS)
            for place, time in enumerate(found.times)
        ]
    return pd.DataFrame(rows), {"unstructured_order": share_of(ordered, len(inputs["sgld"]))}

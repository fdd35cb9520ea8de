"""When a curve over training passes a level for good."""

import math

import numpy as np
from numpy.typing import ArrayLike


def last_crossing(steps: ArrayLike, values: ArrayLike, level: float) -> float:
    """The step after which the values stay above `level`, interpolated in log(step + 1).

    steps   (checkpoint,), rising;  values  (checkpoint,)

    The first step where they are above it throughout; not a number where the last one is not.
    """
    x, y = np.log1p(np.asarray(steps, dtype=float)), np.asarray(values, dtype=float)
    below = np.flatnonzero(~(y > level))
    if not len(below):
        return float(np.expm1(x[0]))
    place = int(below[-1])
    if place == len(y) - 1:
        return math.nan
    share = (level - y[place]) / (y[place + 1] - y[place])
    return float(np.expm1(x[place] + share * (x[place + 1] - x[place])))


def part_way(steps: ArrayLike, values: ArrayLike, share: float = 0.5) -> float:
    """The step after which the values stay beyond `share` of their way from the first to the last,
    whether they rise or fall; not a number where the last is the first."""
    y = np.asarray(values, dtype=float)
    way = y[-1] - y[0]
    if way == 0:
        return math.nan
    return last_crossing(steps, (y - y[0]) / way, share)

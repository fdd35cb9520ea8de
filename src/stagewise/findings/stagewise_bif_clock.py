"""Steps at which something begins, and ratios of them over seeds."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from stagewise.findings.measured import Measured, mean_of


def first_at_least(steps: ArrayLike, values: ArrayLike, level: float) -> float:
    """The first step whose value is not below the level; not a number where there is none."""
    place = np.flatnonzero(np.asarray(values, dtype=float) >= level)
    return float(np.asarray(steps)[place[0]]) if len(place) else np.nan


def onset(steps: ArrayLike, values: ArrayLike, share: float) -> float:
    """The first step at which a curve has that share of its last value; not a number where the
    last is not positive."""
    last = float(np.asarray(values, dtype=float)[-1])
    return first_at_least(steps, values, share * last) if last > 0 else np.nan


def geometric_mean(values: ArrayLike) -> Measured:
    """Of independent positive values, with the interval of the mean of their logarithms."""
    with np.errstate(divide="ignore"):
        found = mean_of(np.log(np.asarray(values, dtype=float)))
    ends = [None if end is None else float(np.exp(end)) for end in (found.low, found.high)]
    return replace(found, value=float(np.exp(found.value)), low=ends[0], high=ends[1])

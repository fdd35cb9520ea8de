"""Influence as a curve over training: when it turns from help to harm, and when it peaks."""

import math

import numpy as np
from numpy.typing import ArrayLike


def positive_peak(times: ArrayLike, curve: ArrayLike) -> float:
    """The time of the curve's largest value; not a number where that is not positive."""
    t, y = np.asarray(times, dtype=float), np.asarray(curve, dtype=float)
    place = int(y.argmax())
    return float(t[place]) if y[place] > 0 else math.nan


def flip(times: ArrayLike, curve: ArrayLike) -> float:
    """The last time before its positive peak at which the curve turns from negative to positive,
    interpolated; not a number where it is positive all the way.

    times  (time,), rising;  curve  (time,), the influence, negative where it helps
    """
    t, y = np.asarray(times, dtype=float), np.asarray(curve, dtype=float)
    peak = int(y.argmax())
    below = np.flatnonzero(y[:peak] < 0)
    if y[peak] <= 0 or not len(below):
        return math.nan
    place = int(below[-1])
    share = -y[place] / (y[place + 1] - y[place])
    return float(t[place] + share * (t[place + 1] - t[place]))


def likeness(first: ArrayLike, second: ArrayLike) -> float:
    """Pearson's correlation of two curves over the same times."""
    return float(np.corrcoef(np.asarray(first, dtype=float), np.asarray(second, dtype=float))[0, 1])

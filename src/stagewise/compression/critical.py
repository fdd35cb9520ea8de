"""How far a model can be compressed before its loss has risen by a tolerance."""

from collections.abc import Sequence
from math import isinf, log, nan
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Censored = Literal["", "low", "high"]
"""Where a critical amount lies that the grid does not reach: below its smallest amount, the loss
not having risen so far, or above its largest, the loss having risen further at once."""


class Critical(NamedTuple):
    """A critical amount at one tolerance."""

    tolerance: float
    amount: float
    """Not a number where it is censored."""
    censored: Censored


def critical_amounts(
    amounts: ArrayLike, rises: ArrayLike, tolerances: Sequence[float]
) -> list[Critical]:
    """For each tolerance delta the smallest amount down to which no rise of the loss is above it:

        inf {a : rise(a') <= delta for all a' >= a}        Urdshals et al. 2025 (2510.12077)

    amounts     (amount,) falling, above 0: from the least compression to the most
    rises       (amount,) of the loss, in nats; one that is not a number counts as infinite
    tolerances  above 0, in nats

    The crossing of the running maximum, between the last amount where it is at most delta and the
    next. There the logarithm of the rise is interpolated in the logarithm of the amount, so that a
    power law is exact; the rise itself, where the running maximum begins at 0 or below.
    """
    a, highest = np.asarray(amounts, dtype=float), running_maximum(rises)
    if a.ndim != 1 or a.shape != highest.shape or not len(a):
        raise ValueError(f"amounts: {a.shape} of them, and {highest.shape} rises")
    if not (np.all(a > 0) and np.all(np.diff(a) < 0)):
        raise ValueError("amounts: must fall, from the least compression on, and be above 0")
    return [_critical(a, highest, tolerance) for tolerance in tolerances]


def running_maximum(rises: ArrayLike) -> NDArray[np.float64]:
    """The largest rise so far (amount,); what is not a number counts as infinite."""
    values = np.asarray(rises, dtype=float)
    return np.maximum.accumulate(np.where(np.isnan(values), np.inf, values))


def _critical(a: NDArray[np.float64], highest: NDArray[np.float64], tolerance: float) -> Critical:
    if not tolerance > 0:
        raise ValueError(f"tolerances: must be above 0, got {tolerance}")
    place = int(np.searchsorted(highest, tolerance, side="right"))  # the first above it
    if place == len(a):
        return Critical(tolerance, nan, "low")
    if place == 0:
        return Critical(tolerance, nan, "high")
    share = _share(float(highest[place - 1]), float(highest[place]), tolerance)
    before, after = float(a[place - 1]), float(a[place])
    return Critical(tolerance, before * (after / before) ** share, "")


def _share(below: float, above: float, level: float) -> float:
    """How much of the way from `below` to `above` leads to the level."""
    if isinf(above):
        return 0.0
    if below > 0:
        return log(level / below) / log(above / below)
    return (level - below) / (above - below)

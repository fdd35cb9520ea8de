"""Curvature of plane curves, and the two marks a development can leave on one: vertex and cusp."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOW = 0.25
"""A cusp's speed is below this share of the curve's median."""
TURN = np.pi / 2
"""The direction of motion turns by more than this across a cusp."""


def curvature(places: NDArray[Any], plane: NDArray[Any]) -> NDArray[Any]:
    """Signed curvature (place,) of a curve (place, 2) given at even places.

    kappa = (x' y'' - y' x'') / (x'^2 + y'^2)^(3/2); infinite or not a number where it rests.
    """
    velocity = np.gradient(plane, places, axis=0)
    x, y = velocity.T
    ax, ay = np.gradient(velocity, places, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x * ay - y * ax) / (x**2 + y**2) ** 1.5


def evolute(places: NDArray[Any], plane: NDArray[Any]) -> NDArray[Any]:
    """Centres (place, 2) of the osculating circles: point + normal / kappa. A vertex of the curve
    is a cusp of its evolute."""
    x, y = np.gradient(plane, places, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = np.stack([-y, x], axis=1) / np.hypot(x, y)[:, None]
        return plane + normal / curvature(places, plane)[:, None]


def vertices(places: NDArray[Any], plane: NDArray[Any], widths: NDArray[Any]) -> list[float]:
    """Places where the curvature is stationary, at least one of `widths` (place,) from the ends,
    where smoothing bends the curve itself."""
    slope = np.gradient(curvature(places, plane), places)
    with np.errstate(invalid="ignore"):
        change = np.flatnonzero(np.sign(slope[:-1]) * np.sign(slope[1:]) < 0)
    return [float(places[at]) for at in change if _inside(places, widths, at)]


def cusps(places: NDArray[Any], plane: NDArray[Any], widths: NDArray[Any]) -> list[float]:
    """Places where the curve nearly stops and leaves in another direction.

    A minimum of the speed below SLOW times its median, the direction one width before and one
    width after apart by more than TURN; at least one width from the ends.
    """
    velocity = np.gradient(plane, places, axis=0)
    speed = np.linalg.norm(velocity, axis=1)
    low = np.flatnonzero((speed[1:-1] <= speed[:-2]) & (speed[1:-1] < speed[2:])) + 1
    found = []
    for at in low:
        if speed[at] > SLOW * np.median(speed) or not _inside(places, widths, at):
            continue
        before, after = np.searchsorted(places, [places[at] - widths[at], places[at] + widths[at]])
        ends = velocity[[before, min(after, len(places) - 1)]]
        cosine = ends[0] @ ends[1] / np.prod(np.linalg.norm(ends, axis=1))
        if cosine < np.cos(TURN):
            found.append(float(places[at]))
    return found


def _inside(places: NDArray[Any], widths: NDArray[Any], at: Any) -> bool:
    return bool(places[0] + widths[at] <= places[at] <= places[-1] - widths[at])

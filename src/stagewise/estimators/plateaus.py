"""Losses read as known levels, and the changes between levels along a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

OFF = -1
"""Number of no level."""


def matched_levels(losses: ArrayLike, levels: ArrayLike, *, tolerance: float) -> NDArray[np.int64]:
    """Number of the level nearest each loss, or OFF where none is within `tolerance`.

    losses  (...,);  levels  (level,), in the same unit
    """
    distance = np.abs(np.asarray(losses)[..., None] - np.asarray(levels))
    nearest = distance.argmin(-1)
    return np.where(distance.min(-1) <= tolerance, nearest, OFF)


@dataclass(frozen=True)
class Plateau:
    """Consecutive checkpoints on one level; checkpoints off every level may lie among them."""

    level: int
    members: NDArray[np.int64]
    """Places of the checkpoints on the level, rising."""


def plateaus(matched: Sequence[int] | NDArray[np.int64], *, shortest: int = 1) -> list[Plateau]:
    """The plateaus of one run in order; neighbours are on different levels.

    matched   (checkpoint,) level numbers in the order of training, OFF in transit
    shortest  plateaus of fewer checkpoints are left out, and those around them joined
    """
    found: list[list[int]] = []
    for place, level in enumerate(matched):
        if level == OFF:
            continue
        if found and matched[found[-1][0]] == level:
            found[-1].append(place)
        else:
            found.append([place])
    joined: list[list[int]] = []
    for part in found:
        if len(part) < shortest:
            continue
        if joined and matched[joined[-1][0]] == matched[part[0]]:
            joined[-1].extend(part)
        else:
            joined.append(part)
    return [Plateau(int(matched[part[0]]), np.array(part)) for part in joined]

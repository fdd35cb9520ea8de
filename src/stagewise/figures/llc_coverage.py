"""A panel on calibration: how often intervals of each level cover the truth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY

_NAMES = {"gaussian": "Gaussians, SGLD", "monomial": "monomials, MALA", "sum": "sums, MALA"}


def draw_coverage(axis: Axes, table: pd.DataFrame) -> None:
    """Share of targets covered against the level of the interval, one curve a family."""
    axis.plot([0, 1], [0, 1], color=THEORY, linewidth=0.8, label="calibrated")
    curves = [(_NAMES[str(kind)], part.level) for kind, part in table.groupby("kind")]
    for (name, levels), colour in zip(curves, COLOURS, strict=False):
        axis.plot(*share_below(levels), color=colour, label=f"{name} ({len(levels)})")
    axis.plot(*share_below(table.naive_level), color=CONTROL, label="draws as independent")
    axis.axvline(0.9, color="0.8", linewidth=0.7, zorder=0)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_xlabel("level of the interval of λ̂")
    axis.set_ylabel("share covering the truth")
    axis.set_title("calibration on known targets")
    axis.legend(loc="upper left", fontsize=6, handlelength=1.2)


def share_below(levels: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The empirical distribution function, as a curve from (0, 0) to (1, 1)."""
    found = np.sort(levels.to_numpy())
    share = np.arange(1, len(found) + 1) / len(found)
    return np.concatenate([[0], found, [1]]), np.concatenate([[0], share, [1]])

"""The one look of all figures, and files that are the same bytes for the same table."""

import contextlib
from collections.abc import Iterator, Sequence
from math import lcm
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

COLOURS = ("#3b6fb6", "#d1603d", "#3d9970", "#8e5ea2", "#b59a2d", "#5f6b7a", "#c2437e")
"""Categories in order: distinguishable in print and for colour-blind readers."""
THEORY = "#1a1a1a"
"""Exact theory, always drawn in this."""
CONTROL = "#9aa3ad"
"""Controls and rivals."""

WIDTH = 11.0
"""Inches of a full-page figure."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": cycler(color=COLOURS),
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "figure.dpi": 100,
    "savefig.dpi": 170,
    "pdf.fonttype": 42,
    "svg.hashsalt": "stagewise",
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Figures made and saved inside have the look."""
    with mpl.rc_context(_STYLE):
        yield


def panels(figure: Figure, counts: Sequence[int]) -> list[Axes]:
    """Axes row by row, as many in each row as its count, alike in width."""
    columns = lcm(*counts)
    rows = figure.add_gridspec(len(counts), columns)
    return [
        figure.add_subplot(rows[row, place : place + columns // count])
        for row, count in enumerate(counts)
        for place in range(0, columns, columns // count)
    ]


def letter(axes: Sequence[Axes]) -> None:
    """Letters the panels a, b, c, ... in their upper left corner."""
    for place, axis in enumerate(axes):
        axis.text(
            -0.02,
            1.04,
            chr(ord("a") + place),
            transform=axis.transAxes,
            fontweight="bold",
            fontsize=11,
            ha="right",
            va="bottom",
        )


def logarithmic(axis: Axes) -> None:
    """A logarithmic x axis with 1, 2, 5, 10, ... on it, for ranges of a decade or two."""
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())


def save_figure(figure: Figure, path: Path) -> None:
    """Writes the figure without dates, so that equal tables give equal bytes."""
    undated = {".pdf": {"CreationDate": None, "ModDate": None}, ".png": {"Software": None}}
    figure.savefig(path, metadata=undated[path.suffix])

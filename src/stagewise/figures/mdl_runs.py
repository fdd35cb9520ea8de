"""Panels that compare many runs with each other, at equal step and at equal loss."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.mdl_language import LABELS, judged
from stagewise.figures.style import COLOURS, CONTROL, logarithmic

MARKERS = "os^Dv"
PLACES = {"step": "equal step", "loss": "equal loss"}


def draw_runs(axis: Axes, table: pd.DataFrame, sampling: str) -> None:
    """Critical levels against the LLC at equal step, runs of a kind alike."""
    part = table[
        (table["row"] == "point")
        & (table["place"] == "step")
        & (table["scheme"] == "quantization")
        & np.isclose(table["tolerance"], judged(table))
    ]
    for number, (kind, rows) in enumerate(part.groupby("variant")):
        axis.plot(
            rows[sampling],
            rows["amount"],
            MARKERS[number // len(COLOURS)],
            color=COLOURS[number % len(COLOURS)],
            label=str(kind).removeprefix("runs_"),
        )
    logarithmic(axis)
    axis.tick_params(axis="x", labelsize=6)  # runs can lie three decades apart
    axis.set_xlabel(LABELS[sampling])
    axis.set_ylabel("critical levels n_q")
    axis.set_title(f"Runs at equal step: {LABELS[sampling]}")


def draw_kinds(axis: Axes, runs: Axes) -> None:
    """What the marks of `runs` are, in the place of a panel."""
    axis.axis("off")
    axis.legend(*runs.get_legend_handles_labels(), fontsize=6, ncols=8, loc="center")


def draw_rivals(axis: Axes, table: pd.DataFrame) -> None:
    """Rank correlation of every predictor with the critical levels over runs, with intervals."""
    found = table[(table["row"] == "correlation") & (table["scheme"] == "quantization")]
    for shift, colour, (place, label) in zip((-0.15, 0.15), COLOURS, PLACES.items(), strict=False):
        at = found[found["place"] == place].set_index("predictor")
        rows = [row for row, name in enumerate(LABELS) if name in at.index]
        at = at.loc[[name for name in LABELS if name in at.index]]
        # where nothing differs a correlation is not defined, nor is its interval
        axis.hlines(np.array(rows) + shift, at["low"], at["high"], color=colour, linewidth=1)
        axis.plot(at["value"], np.array(rows) + shift, "o", color=colour, label=label)
    axis.axvline(0, color=CONTROL, linewidth=0.8)
    axis.set_yticks(range(len(LABELS)), list(LABELS.values()))
    axis.invert_yaxis()
    axis.set(xlim=(-1.05, 1.05), xticks=np.linspace(-1, 1, 5))
    axis.set_xlabel("rank correlation with n_q over runs")
    axis.set_title("Over runs: the LLC and its rivals")
    axis.legend(fontsize=6, loc="lower left")

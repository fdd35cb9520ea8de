"""Panels of figure 6 about essential dynamics: the path of the outputs, and its null."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL


def path(axis: Axes, table: pd.DataFrame, title: str) -> None:
    """The first two components of the first seed: checkpoints, the smoothed curve, the centres of
    its osculating circles, its forms, and the milestones of the coefficient."""
    rows = table[table["seed"] == table["seed"].min()]
    curve, points = rows[rows["kind"] == "curve"], rows[rows["kind"] == "score"]
    shown = pd.concat([curve, points])
    reach = [(shown[c].min(), shown[c].max()) for c in ("pc1", "pc2")]
    (left, right), (low, high) = (
        (a - 0.15 * (b - a), b + 0.15 * (b - a)) for a, b in reach
    )  # fmt: skip
    centres = curve[["centre1", "centre2"]].to_numpy(copy=True)
    inside = (
        (centres[:, 0] > left) & (centres[:, 0] < right) & (centres[:, 1] > low)
        & (centres[:, 1] < high)
    )  # fmt: skip
    centres[~inside] = np.nan
    axis.plot(centres[:, 0], centres[:, 1], ".", ms=1.2, color=CONTROL, label="evolute")
    axis.plot(curve["pc1"], curve["pc2"], color=COLOURS[0])
    axis.plot(points["pc1"], points["pc2"], "o", ms=2.5, color=COLOURS[0], label="checkpoints")
    for kind, marker, colour, label in (
        ("form", "*", COLOURS[1], "forms"),
        ("milestone", "D", COLOURS[2], "milestones of the LLC"),
    ):
        marked = rows[rows["kind"] == kind]
        axis.plot(
            marked["pc1"], marked["pc2"], marker, ms=8 if marker == "*" else 5, color=colour,
            mfc=colour if marker == "*" else "none", label=label,
        )  # fmt: skip
        for place, (_, row) in enumerate(marked.iterrows()):
            axis.annotate(
                f"{row['step']:.0f}", (row["pc1"], row["pc2"]), (5, 4 if place % 2 else -8),
                textcoords="offset points", fontsize=6, color=colour,
            )  # fmt: skip
    axis.set(
        xlim=(left, right), ylim=(low, high), xlabel="component 1", ylabel="component 2",
        title=title,
    )  # fmt: skip
    axis.legend(loc="best")


def explained(axis: Axes, table: pd.DataFrame) -> None:
    """Variance explained by each component: seeds as points, random walks as bars of their 5 % to
    95 % range."""
    rows = table[table["kind"] == "spectrum"]
    families = [name for name in ("language", "regression") if name in set(rows["family"])]
    for place, family in enumerate(families):
        of_family = rows[rows["family"] == family]
        for component, part in of_family.groupby("component"):
            x = float(component) + 0.3 * (place - 0.5)  # type: ignore[arg-type]
            low, high = part["walk_low"].min(), part["walk_high"].max()
            axis.bar(x, high - low, 0.24, bottom=low, color=CONTROL, alpha=0.5, linewidth=0)
            axis.plot([x - 0.12, x + 0.12], [part["walk_mean"].mean()] * 2, color=CONTROL)
            axis.plot([x] * len(part), part["share"], "o", color=COLOURS[place])
        axis.plot([], [], "o", color=COLOURS[place], label=family)
    axis.bar([np.nan], [0], color=CONTROL, alpha=0.5, label="random walks with the same steps")
    axis.set_xticks(sorted(rows["component"].unique()))
    axis.set(
        xlabel="component", ylabel="share of variance", ylim=(0, 1), title="Variance explained"
    )
    axis.legend(loc="center right")

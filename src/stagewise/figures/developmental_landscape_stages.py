"""Panels of figure 6 about stages: the coefficient over training, and where its slope vanishes."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from stagewise.figures.style import COLOURS, CONTROL

TYPES = {"A": COLOURS[0], "B": COLOURS[1]}
"""Type of a stage -> colour: the coefficient rises or falls."""


def log_steps(axis: Axes) -> None:
    """A logarithmic axis of steps; everything is drawn at step + 1, so that 0 has a place."""
    axis.set_xscale("log")
    axis.set_xlabel("step + 1")


def staircase(axis: Axes, table: pd.DataFrame, title: str, *, legend: float = 0.0) -> None:
    """Estimates of every seed with their fit, and the loss on the right; the stages of the first
    seed as bands; the legend begins at that share of the width."""
    seeds = sorted(table["seed"].unique())
    losses = axis.twinx()
    for colour, seed in zip(COLOURS[2:], seeds, strict=False):
        rows = table[table["seed"] == seed]
        estimates = rows[rows["kind"] == "estimate"]
        x = estimates["step"] + 1
        error = estimates["standard_error"].fillna(0)
        axis.errorbar(x, estimates["lambda_hat"], error, fmt="o", ms=2.5, lw=0.8, color=colour)
        fit = rows[rows["kind"] == "fit"]
        axis.plot(fit["step"] + 1, fit["mean"], color=colour, label=f"seed {seed}")
        losses.plot(x, estimates["loss"], ":", color=CONTROL, linewidth=0.9)
    local = table[(table["kind"] == "local") & (table["seed"] == seeds[0])]
    if len(local):
        axis.plot(local["step"] + 1, local["lambda_hat"], "s", mfc="white", ms=4, color=COLOURS[2])
    stages = table[(table["kind"] == "stage") & (table["seed"] == seeds[0])]
    for _, stage in stages.iterrows():
        colour = TYPES[stage["type"]]
        start, end = stage["step"] + 1, stage["end"] + 1
        axis.axvspan(start, end, color=colour, alpha=0.08, linewidth=0, zorder=0)
        axis.axvline(end, color=colour, linewidth=0.6, zorder=0)
        axis.text(
            (start * end) ** 0.5, 1.0, stage["type"], color=colour, ha="center", va="bottom",
            transform=axis.get_xaxis_transform(), fontsize=8,
        )  # fmt: skip
    log_steps(axis)
    axis.set_ylabel(r"$\hat\lambda$")
    losses.set_ylabel("loss", color=CONTROL)
    losses.spines["right"].set_visible(True)
    handles, _ = axis.get_legend_handles_labels()
    if len(local):
        named = {"marker": "s", "mfc": "white", "color": COLOURS[2], "linestyle": ""}
        handles.append(Line2D([], [], label="more local", **named))  # type: ignore[arg-type]
    handles.append(Line2D([], [], color=CONTROL, linestyle=":", label="loss"))
    axis.legend(handles=handles, loc="center left", bbox_to_anchor=(legend, 0.5))
    axis.set_title(title, pad=14)


def boundaries(axis: Axes, table: pd.DataFrame) -> None:
    """The milestones of the first seed as thin lines in another panel over the same steps."""
    stages = table[(table["kind"] == "stage") & (table["seed"] == table["seed"].min())]
    for end in stages["end"].iloc[:-1]:
        axis.axvline(end + 1, color=CONTROL, linewidth=0.6, zorder=0)

"""Panels on deep linear networks: plateaus, their exact coefficients, how far each compresses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY, logarithmic

TOLERANCE = 0.02
"""Of the loss at rank 0: the one that claims are judged at."""


def draw_staircase(axis: Axes, table: pd.DataFrame) -> None:
    """Loss of every run with the slowest points, and on a second axis the coefficient there."""
    checkpoints = table[table.kind == "checkpoint"]
    for _, run in checkpoints.groupby(["seed", "model"]):
        axis.plot(run.step, run.loss, color=COLOURS[0], linewidth=0.6, alpha=0.6)
    slowest = checkpoints[checkpoints["rank"] > 0]
    axis.plot(slowest.step, slowest.loss, "o", color=COLOURS[0], markersize=2.2)
    logarithmic(axis)
    moving = checkpoints[checkpoints.loss < 0.99 * checkpoints.loss.max()]
    axis.set_xlim(moving.step.min() / 1.5, checkpoints.step.max())
    axis.set_xlabel("step of gradient descent")
    axis.set_ylabel("loss", color=COLOURS[0])
    axis.set_title("plateaus of rank 0, ..., 10")

    twin = axis.twinx()
    twin.spines["right"].set_visible(True)
    steps = slowest.groupby("rank").step.median()
    exact = table[(table.kind == "exact") & (table["rank"] > 0)]
    known = exact.groupby("rank").aoyagi.first()
    twin.plot(steps, known.loc[steps.index], "_", color=THEORY, markersize=9, label="λ(r), exact")
    for name, marker, colour, label in (
        ("exact", "o", COLOURS[2], "exact draws, rank-r points"),
        ("sgld", "x", COLOURS[1], "SGLD, trained"),
    ):
        part = exact if name == "exact" else table[table.kind == name]
        mean = part.groupby("rank").lambda_hat.mean()
        where = steps.reindex(mean.index)
        twin.plot(where, mean, marker, color=colour, markersize=4, fillstyle="none", label=label)
    twin.set_ylabel("learning coefficient λ")
    twin.legend(fontsize=6, loc="upper center")


def draw_critical(axis: Axes, table: pd.DataFrame, scheme: str, *, label: str) -> None:
    """Critical amount against the exact coefficient: every run, and the mean at each tolerance."""
    part = table[(table.kind == "critical") & (table.scheme == scheme)]
    at = part[np.isclose(part.relative_tolerance, TOLERANCE)]
    for _, run in at.groupby(["seed", "model"]):
        axis.plot(run.aoyagi, run.amount, "o", color=COLOURS[0], alpha=0.3, markersize=2.5)
    for _, rows in part.groupby("relative_tolerance"):
        tolerance = float(rows["relative_tolerance"].iloc[0])
        mean = rows.groupby("aoyagi").amount.mean()
        chosen = bool(np.isclose(tolerance, TOLERANCE))
        axis.plot(
            mean.index,
            mean,
            "-" if chosen else "--",
            color=COLOURS[0] if chosen else CONTROL,
            label=f"{tolerance:.0%}",
        )
    axis.set_xlabel("exact coefficient λ(r)")
    axis.set_ylabel(label)
    axis.legend(title="loss tolerance", title_fontsize=6, fontsize=6, loc="upper left")

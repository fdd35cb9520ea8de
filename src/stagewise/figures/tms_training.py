"""Panels of figure 5 about training: levels, one run, transitions."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from stagewise.figures.style import COLOURS, THEORY

PHASES = ("4", "4+", "4++", "5", "5+", "6")
PHASE_COLOURS = {
    "4": "#8fb3de",
    "4+": "#3b6fb6",
    "4++": "#1d3f72",
    "5": "#f0a07f",
    "5+": "#c04a25",
    "6": COLOURS[2],
}
EPOCH = 50
"""Steps of an epoch: 1000 samples in batches of 20."""


def runs(axis: Axes, table: pd.DataFrame, phases: pd.DataFrame) -> None:
    """Population loss of every run, coloured by the phase whose level it is on."""
    for _, rows in table.groupby("run", sort=False):
        axis.plot(rows["step"] / EPOCH, rows["loss_population"], color="#c9ced4", linewidth=0.4)
    for place, phase in enumerate(PHASES):
        rows = table[table["level"] == place]
        axis.plot(
            rows["step"] / EPOCH,
            rows["loss_population"],
            ".",
            markersize=1.6,
            color=PHASE_COLOURS[phase],
        )
    _levels(axis, phases)
    axis.set(xlabel="epoch", ylabel="population loss", title="Training from a perturbed 4-gon")


def _levels(axis: Axes, phases: pd.DataFrame) -> None:
    """The loss of every phase as a line, named at its right end."""
    levels = phases.groupby("phase")["loss"].first()
    for phase, loss in levels.items():
        axis.axhline(loss, color=THEORY, linewidth=0.4, linestyle=(0, (6, 4)), zorder=0)
        axis.text(
            1.01, loss, str(phase), transform=axis.get_yaxis_transform(), fontsize=6.5, va="center"
        )


def one_run(axis: Axes, table: pd.DataFrame, changes: pd.DataFrame) -> None:
    """Loss and estimate along the run with the most transitions."""
    run = changes["run"].astype(str).value_counts().idxmax() if len(changes) else None
    rows = table[table["run"].astype(str) == run]
    axis.plot(rows["step"] / EPOCH, rows["loss_population"], color=COLOURS[0])
    axis.set(xlabel="epoch", title="One run")
    axis.set_ylabel("population loss", color=COLOURS[0])
    twin = axis.twinx()
    twin.plot(rows["step"] / EPOCH, rows["lambda_hat"], color=COLOURS[1], linewidth=0.8)
    twin.set_ylabel("short-chain estimate", color=COLOURS[1], labelpad=1)
    twin.spines["right"].set_visible(True)


def transitions(estimated: Axes, exact: Axes, table: pd.DataFrame, phases: pd.DataFrame) -> None:
    """Arrows from before to after: loss against the estimate, and against the exact value."""
    levels = phases.groupby("phase")[["loss", "coefficient"]].first()
    for _, row in table.iterrows():
        ends = levels.loc[[str(row["before"]), str(row["after"])]]
        estimated.annotate(
            "",
            (row["estimate_after"], ends["loss"].iloc[1]),
            (row["estimate_before"], ends["loss"].iloc[0]),
            arrowprops={
                "arrowstyle": "-|>",
                "mutation_scale": 6,
                "lw": 0.6,
                "alpha": 0.6,
                "color": _direction(row["estimate_change"]),
            },
        )
    points = table[["estimate_before", "estimate_after"]].to_numpy().ravel()
    if len(points):
        margin = 0.08 * np.ptp(points)
        estimated.set_xlim(points.min() - margin, points.max() + margin)
    counts: dict[tuple[str, str], int] = {}
    for before, after in zip(table["before"], table["after"], strict=True):
        pair = (str(before), str(after))
        counts[pair] = counts.get(pair, 0) + 1
    seen = [
        f"{count:3d}   {before} to {after}" for (before, after), count in sorted(counts.items())
    ]
    exact.text(0.02, 0.02, "\n".join(seen), transform=exact.transAxes, fontsize=6.5)
    for (before, after), count in counts.items():
        ends = levels.loc[[before, after]]
        change = ends["coefficient"].iloc[1] - ends["coefficient"].iloc[0]
        steps = PHASES.index(after) - PHASES.index(before)
        exact.annotate(
            "",
            tuple(ends[["coefficient", "loss"]].iloc[1]),
            tuple(ends[["coefficient", "loss"]].iloc[0]),
            arrowprops={
                "arrowstyle": "-|>",
                "mutation_scale": 9,
                "lw": 0.5 + 2.5 * count / max(counts.values()),
                "shrinkA": 4,
                "shrinkB": 4,
                "color": _direction(change),
                "connectionstyle": f"arc3,rad={0.15 * (steps - 1)}",
            },
        )
    for phase, row in levels.iterrows():
        exact.plot(row["coefficient"], row["loss"], "o", color=PHASE_COLOURS[str(phase)], ms=5)
        exact.annotate(
            str(phase),
            (row["coefficient"], row["loss"]),
            (6, 0),
            textcoords="offset points",
            fontsize=7,
            va="center",
        )
    limits = (levels["loss"].min() - 0.004, levels["loss"].max() + 0.004)
    _levels(estimated, phases)
    estimated.set(ylim=limits, xlabel="short-chain estimate", title="Transitions, as estimated")
    exact.set(
        ylim=limits,
        xlim=(5.9, 9.1),
        xticks=[7, 7.5, 8, 8.5],
        xlabel="exact coefficient",
        title="Transitions, exact",
    )
    handles = [
        Line2D([], [], color=_direction(1), label="coefficient rises"),
        Line2D([], [], color=_direction(0), label="stays"),
        Line2D([], [], color=_direction(-1), label="falls"),
    ]
    estimated.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(0.0, 0.36),
        frameon=True,
        edgecolor="none",
    )


def _direction(change: float) -> str:
    """Colour of a transition by the sign of the change of the coefficient."""
    return COLOURS[2] if change > 0 else COLOURS[1] if change < 0 else COLOURS[5]

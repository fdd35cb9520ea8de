"""Panels of figure 13: curves over training, controls, counting and seeds."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.embryology_patterns import PATTERNS
from stagewise.figures.style import COLOURS, CONTROL, THEORY

MATRICES = {
    "restricted": ("restricted covariance", COLOURS[1]),
    "residual": ("two-chain less fragility", COLOURS[2]),
    "two_chain": ("two-chain", COLOURS[0]),
}
"""Name and colour."""
ACCURACIES = {
    "two_chain": ("two-chain", COLOURS[0]),
    "residual": ("less fragility", COLOURS[2]),
    "restricted": ("restricted", COLOURS[1]),
    "loss": ("loss alone", CONTROL),
    "fragility": ("fragility alone", CONTROL),
    "untempered_restricted": ("nβ ≈ 0, restricted", CONTROL),
    "start": ("untrained, two-chain", CONTROL),
    "start_restricted": ("untrained, restricted", CONTROL),
    "permuted": ("permuted", CONTROL),
}

NULLS = {
    "null": "tokens permuted, 99 %",
    "null_within": "permuted within patterns, 99 %",
    "halves": "halves of one seed's draws",
}
"""What similarities are drawn beside, and its name."""


def _logarithmic(axis: Axes) -> None:
    axis.set_xscale("log")
    axis.set_xlabel("step + 1")


def draw_belly(axis: Axes, table: pd.DataFrame) -> None:
    """|D| of induction tokens at every checkpoint, and the induction gap."""
    rows = table[(table["kind"] == "axis") & (table["seed"] == table["seed"].min())]
    for name, (label, colour) in MATRICES.items():
        curve = rows[rows["matrix"] == name]
        axis.plot(curve["step"] + 1, curve["separation"], "o-", color=colour, label=label)
        axis.fill_between(
            curve["step"] + 1, curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0
        )
    known = table[(table["kind"] == "behaviour") & (table["seed"] == table["seed"].min())]
    gap = axis.twinx()
    gap.plot(known["step"] + 1, known["gap"], color=THEORY, linestyle="--", linewidth=0.9)
    gap.set_ylabel("induction gap (nats, dashed)")
    gap.spines["right"].set_visible(True)
    axis.axvline(known["onset"].iloc[0] + 1, color=THEORY, linestyle=":", linewidth=0.8)
    axis.set_ylim(bottom=0)
    _logarithmic(axis)
    axis.set_ylabel("|D| of induction tokens")
    axis.legend(loc="upper left")
    axis.set_title("Belly: induction tokens against the others")


def draw_order(axis: Axes, table: pd.DataFrame) -> None:
    """How well patterns are told at every checkpoint, from restricted covariances."""
    rows = table[
        (table["matrix"] == "restricted")
        & (table["against"] == "others")
        & (table["seed"] == table["seed"].min())
    ]
    for name, colour in PATTERNS.items():
        curve = rows[rows["pattern"] == name]
        axis.plot(curve["step"] + 1, curve["ranking"], "o-", color=colour, markersize=2.5)
    for level, style in ((0.5, "-"), (0.65, ":")):
        axis.axhline(level, color=CONTROL, linewidth=0.8, linestyle=style)
    axis.set_ylim(min(0.45, rows["ranking"].min()), 1.01)
    _logarithmic(axis)
    axis.set_ylabel("AUC against all others")
    axis.set_title("Patterns told, restricted covariances")


def draw_accuracies(axis: Axes, table: pd.DataFrame) -> None:
    """Balanced accuracy at the end, with controls."""
    rows = table[table["kind"] == "accuracy"]
    for place, (name, (_, colour)) in enumerate(ACCURACIES.items()):
        values = rows.loc[rows["name"] == name, "value"]
        axis.barh(place, values.mean(), color=colour, height=0.62)
        axis.plot(values, [place] * len(values), "o", color=THEORY, markersize=2.5)
    chance = rows.loc[rows["name"] == "chance", "value"].iloc[0]
    axis.axvline(chance, color=THEORY, linestyle="--", linewidth=0.8)
    axis.set_yticks(range(len(ACCURACIES)), [label for label, _ in ACCURACIES.values()])
    axis.set(xlim=(0, 1), ylim=(len(ACCURACIES) - 0.4, -0.6))
    axis.set_xlabel("balanced accuracy (dashed: chance)")
    axis.set_title("Nine patterns told at the end")


def draw_counting(axis: Axes, table: pd.DataFrame) -> None:
    """Run lengths of spacing tokens, true and foretold."""
    rows = table[table["kind"] == "token"]
    random = np.random.default_rng(0)
    axis.plot(
        rows["run"] + random.uniform(-0.25, 0.25, len(rows)), rows["foretold"], ".",
        color=COLOURS[0], markersize=2, alpha=0.5, rasterized=True,
    )  # fmt: skip
    means = rows.groupby("run")["foretold"].mean()
    axis.plot(means.index, means, "o-", color=COLOURS[1], label="mean")
    limits = rows["run"].min(), rows["run"].max()
    axis.plot(limits, limits, color=THEORY, linestyle="--", linewidth=0.8, label="equal")
    axis.set(xlabel="spacing tokens directly before", ylabel="foretold from susceptibilities")
    axis.legend(loc="upper left")
    axis.set_title("Fin: runs foretold in other sequences")


def draw_count(axis: Axes, table: pd.DataFrame) -> None:
    """How well runs are told over training, beside single numbers of a token."""
    curves = table[table["kind"] == "curve"]
    for name, (label, colour) in MATRICES.items():
        rows = curves[curves["matrix"] == name]
        axis.plot(rows["step"] + 1, rows["value"], "o-", color=colour, label=label)
    alone = table[table["kind"] == "run"].groupby("name")["value"].mean()
    for name, style in (("loss", "--"), ("fragility", ":")):
        axis.axhline(
            alone[name],
            color=CONTROL,
            linestyle=style,
            linewidth=1,
            label=f"{name} alone, at the end",
        )
    axis.axhline(0, color=THEORY, linewidth=0.5)
    _logarithmic(axis)
    axis.set_ylabel("Spearman's ρ with the run")
    axis.legend(loc="best")
    axis.set_title("Counting over training")


def draw_seeds(axis: Axes, table: pd.DataFrame) -> None:
    """Similarity of distances between tokens in pairs of seeds, with its nulls."""
    names = list(MATRICES)[::-1]
    for place, name in enumerate(names):
        rows = table[table["matrix"] == name]
        colour = MATRICES[name][1]
        axis.bar(place - 0.2, rows["similarity"].mean(), 0.34, color=colour)
        axis.bar(place + 0.2, rows["cka"].mean(), 0.34, color=colour, alpha=0.45)
        for shift, column in ((-0.2, "similarity"), (0.2, "cka")):
            axis.plot([place + shift] * len(rows), rows[column], "o", color=THEORY, markersize=2.5)
        for column, style in (("null", "-"), ("null_within", ":"), ("halves", "--")):
            axis.plot(
                [place - 0.42, place + 0.02], [rows[column].mean()] * 2, color=THEORY,
                linestyle=style, linewidth=1.1, label=NULLS[column] if place == 0 else None,
            )  # fmt: skip
    axis.set_xticks(range(len(names)), ["two-chain", "two-chain less\nfragility", "restricted"])
    axis.set_ylabel("distances (full), CKA (pale)")
    axis.set_ylim(0, 1.35)
    axis.legend(loc="upper right", ncols=1)
    axis.set_title("Shapes in pairs of seeds")

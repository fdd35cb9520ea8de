"""Figure 13: the cloud of susceptibilities of tokens over training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from stagewise.figures.embryology_curves import (
    draw_accuracies,
    draw_belly,
    draw_count,
    draw_counting,
    draw_order,
    draw_seeds,
)
from stagewise.figures.embryology_patterns import PATTERNS
from stagewise.figures.style import COLOURS, CONTROL, WIDTH, letter

MAPS = 5
"""Panels of the first row: checkpoints, and a control."""


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One page: maps over training and of columns in random order (a to e), the body plan (f, g)
    and its first axis (h), how far induction tokens lie apart (i) and when patterns can be told
    (j), how well at the end (k), counting (l, m), and other seeds (n)."""
    figure = Figure(figsize=(WIDTH, 12.2))
    rows = [
        GridSpec(1, len(widths), figure=figure, left=0.065, right=0.985, top=top, bottom=bottom,
                 wspace=space, width_ratios=widths)
        for widths, top, bottom, space in (
            ([1] * MAPS, 0.965, 0.815, 0.12),
            ([1, 1, 1], 0.735, 0.55, 0.24),
            ([1, 1, 0.85], 0.485, 0.3, 0.56),
            ([1, 1, 1], 0.235, 0.045, 0.26),
        )
    ]  # fmt: skip
    axes = [figure.add_subplot(row[place]) for row in rows for place in range(row.ncols)]
    _maps(axes[:MAPS], tables["maps"])
    figure.legend(
        handles=[
            Line2D([], [], marker="o", linestyle="", color=colour, label=name)
            for name, colour in PATTERNS.items()
        ],
        loc="upper center", bbox_to_anchor=(0.525, 0.803), ncols=len(PATTERNS), handletextpad=0.1,
    )  # fmt: skip
    _cloud(axes[5], tables["body"], "two_chain", "Body plan: two-chain estimator")
    _cloud(axes[6], tables["body"], "restricted", "Without the rank-one term: restricted")
    _first_axis(axes[7], tables["body"])
    draw_belly(axes[8], tables["development"])
    draw_order(axes[9], tables["order"])
    draw_accuracies(axes[10], tables["body"])
    draw_counting(axes[11], tables["fin"])
    draw_count(axes[12], tables["fin"])
    draw_seeds(axes[13], tables["seeds"])
    letter([axis for axis in axes if axis.axison])
    return figure


def _maps(axes: list[Axes], table: pd.DataFrame) -> None:
    """The first maps, the last one and that of shuffled columns."""
    tokens = table[table["kind"] == "token"]
    own = tokens[tokens["map"] == "two_chain"]
    steps = sorted(own["step"].unique())
    steps = [*steps[: MAPS - 2], steps[-1]] if len(steps) > MAPS - 2 else steps
    shown = [(f"UMAP, step {step:.0f}", own[own["step"] == step]) for step in steps]
    shown.append(("columns shuffled", tokens[tokens["map"] == "two_chain_shuffled"]))
    for axis, (title, rows) in zip(axes, shown, strict=False):
        _points(axis, rows, size=2.0)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_title(title)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()


def _points(axis: Axes, rows: pd.DataFrame, *, size: float) -> None:
    """Tokens in the colours of their patterns, in random order so that none is hidden."""
    order = np.random.default_rng(0).permutation(len(rows))
    axis.scatter(
        rows["x"].to_numpy()[order],
        rows["y"].to_numpy()[order],
        c=rows["pattern"].map(PATTERNS).to_numpy()[order],
        s=size,
        linewidths=0,
        rasterized=True,
    )


def _cloud(axis: Axes, table: pd.DataFrame, name: str, title: str) -> None:
    rows = table[(table["kind"] == "token") & (table["name"] == name)]
    _points(axis, rows, size=3.0)
    for column, limit in (("x", axis.set_xlim), ("y", axis.set_ylim)):
        low, high = rows[column].quantile([0.002, 0.998])
        margin = 0.08 * (high - low)
        limit(low - margin, high + margin)
    spectrum = table[(table["kind"] == "axis") & (table["name"] == name)]
    shares = spectrum.groupby("number")["value"].mean()
    axis.set_xlabel(f"first axis ({shares.loc[1]:.0%} of variance)")
    axis.set_ylabel(f"second axis ({shares.loc[2]:.1%})")
    axis.set_title(title)


def _first_axis(axis: Axes, table: pd.DataFrame) -> None:
    """Spectra of the three matrices."""
    looks = {
        "two_chain": ("two-chain", COLOURS[0]),
        "residual": ("two-chain less fragility", COLOURS[2]),
        "restricted": ("restricted covariance", COLOURS[1]),
    }
    rows = table[table["kind"] == "axis"]
    for name, (label, colour) in looks.items():
        curves = rows[rows["name"] == name].pivot_table(
            index="number", columns="seed", values="value"
        )
        axis.plot(curves.index, curves, color=colour, linewidth=0.4, alpha=0.5)
        axis.plot(curves.index, curves.mean(axis=1), "o-", color=colour, label=label)
    axis.axhline(1 / rows["number"].max(), color=CONTROL, linestyle="--", linewidth=0.8)
    axis.set_yscale("log")
    axis.set(xlabel="axis", ylabel="share of variance")
    axis.legend(loc="upper right")
    tokens = table[(table["kind"] == "token") & (table["name"] == "two_chain")]
    agreed = np.corrcoef(tokens["x"], tokens["fragility"])[0, 1] ** 2
    axis.set_title(f"Axes (two-chain's first with fragility: r² {agreed:.2f})")

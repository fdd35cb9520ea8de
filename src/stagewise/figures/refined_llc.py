"""Figure 7: attention heads by their restricted local learning coefficients."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from stagewise.figures.refined_llc_checks import (
    agreement,
    bounds,
    excess,
    logarithmic,
    saturation,
)
from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter

TYPES = {
    "repeats": ("copies", COLOURS[0]),
    "brackets": ("matches brackets", COLOURS[2]),
    "rules": ("stores rules", COLOURS[1]),
    "markov": ("serves the chain", COLOURS[4]),
}
"""A head's type -> its name and colour."""
MARKERS = "osD^vP"
"""Of seeds."""
DISTRIBUTIONS = ("mixture", *TYPES)
LARGE_DRIFT = 0.2
"""Share of an estimate from which the bound on its drift is marked."""
PARTS = {"storing head": "storing head", "layer0": "layer 0", "layer1": "layer 1", "all": "all"}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One page: curves and final values by type (a to c), refined to sources (d), against what is
    stored (e, f), agreement with types (g), distance from a Hessian trace (h), pairs (i) and
    bounds (j)."""
    figure = Figure(figsize=(WIDTH, 9.6))
    rows = [
        GridSpec(1, count, figure=figure, left=0.06, right=0.985, top=top, bottom=bottom,
                 wspace=gap, width_ratios=widths)
        for count, top, bottom, gap, widths in (
            (3, 0.96, 0.72, 0.22, [1, 1, 0.9]),
            (3, 0.635, 0.395, 0.24, [1.25, 1, 1]),
            (4, 0.31, 0.055, 0.36, [0.8, 1, 1, 1]),
        )
    ]  # fmt: skip
    axes = [figure.add_subplot(row[place]) for row in rows for place in range(row.ncols)]
    types, roles = tables["types"], tables["roles"]
    for layer, axis in enumerate(axes[:2]):
        _curves(axis, types[types["layer"] == layer], layer)
    axes[1].legend(handles=_type_handles(types), loc="upper left")
    _final(axes[2], roles)
    _sources(axes[3], tables["data"])
    _dial(axes[4], tables["memory"])
    _stored(axes[5], tables["memory"])
    agreement(axes[6], types)
    saturation(axes[7], tables["bounds"])
    excess(axes[8], tables["circuit"])
    bounds(axes[9], tables["bounds"])
    letter(axes)
    return figure


def _type_handles(table: pd.DataFrame) -> list[Line2D]:
    present = [TYPES[kind] for kind in TYPES if (table["type"] == kind).any()]
    return [Line2D([], [], color=colour, label=name) for name, colour in present]


def _curves(axis: Axes, table: pd.DataFrame, layer: int) -> None:
    """Every head of every seed; step 0 stands half a first step from the origin."""
    start = table.loc[table["step"] > 0, "step"].min() / 2
    for seed in table["seed"].unique():
        for _, curve in table[table["seed"] == seed].groupby("head"):
            path = curve.sort_values("step")
            axis.errorbar(
                np.maximum(path["step"], start),
                path["lambda_hat"],
                yerr=path["standard_error"],
                color=TYPES[str(path["type"].iloc[0])][1],
                marker=MARKERS[seed % len(MARKERS)],
                markersize=2.5,
                linewidth=0.9,
                elinewidth=0.6,
                capsize=0,
            )
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.set(xscale="log", xlabel="step", ylabel="restricted estimate λ̂")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xticks([100, 1000])
    axis.set_title(f"Curves of the heads of layer {layer}")


def _final(axis: Axes, table: pd.DataFrame) -> None:
    """Final estimates by type; the Hessian trace's value of each head as a dash."""
    present = [kind for kind in TYPES if (table["type"] == kind).any()]
    for place, kind in enumerate(present):
        rows = table[table["type"] == kind].sort_values(["seed", "head"])
        spread = place + np.linspace(-0.3, 0.3, len(rows)) * (len(rows) > 1)
        for x, (_, row) in zip(spread, rows.iterrows(), strict=True):
            filled = TYPES[kind][1] if row["attends"] else "white"
            axis.errorbar(
                x,
                row["lambda_hat"],
                yerr=row["standard_error"],
                fmt=MARKERS[int(row["seed"]) % len(MARKERS)],
                color=TYPES[kind][1],
                markerfacecolor=filled,
            )
        by_trace = rows["nbeta"] * rows["tether_rise"]
        axis.plot(spread, by_trace, "_", color=CONTROL, markersize=6, markeredgewidth=1.2)
        axis.plot(
            [place - 0.38, place + 0.38], [rows["lambda_hat"].mean()] * 2, color=THEORY,
            linewidth=0.8,
        )  # fmt: skip
    axis.set_xticks(range(len(present)), [TYPES[kind][0].replace(" ", "\n", 1) for kind in present])
    axis.legend(
        handles=[
            Line2D([], [], marker="o", ls="", color=CONTROL, label="attends by a rule"),
            Line2D([], [], marker="o", ls="", color=CONTROL, mfc="white", label="does not"),
            Line2D([], [], marker="_", ls="", color=CONTROL, label="if only the tether held it"),
        ],
        loc="best",
    )
    logarithmic(axis, "y")
    axis.set(ylabel="λ̂ at the end")
    axis.set_title("At the end, by what the head does")


def _sources(axis: Axes, table: pd.DataFrame) -> None:
    """Heads (columns) on each distribution, of the first seed."""
    seed = table["seed"].min()
    rows = table[table["seed"] == seed]
    grid = rows.pivot_table(index="distribution", columns="head", values="lambda_hat")
    grid = grid.loc[list(DISTRIBUTIONS)]
    drift = rows.pivot_table(index="distribution", columns="head", values="largest_drift")
    reach = float(np.abs(grid.to_numpy()).max())
    axis.imshow(grid, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    for y, distribution in enumerate(grid.index):
        for x, head in enumerate(grid.columns):
            value = float(grid.loc[distribution, head])
            bound = float(drift.loc[distribution, head])
            mark = "*" if bound > LARGE_DRIFT * abs(value) else ""
            dark = abs(value) > 0.6 * reach
            axis.text(
                x, y, f"{value:.2g}{mark}", ha="center", va="center", fontsize=6.5,
                color="white" if dark else THEORY,
            )  # fmt: skip
    by_head = rows.drop_duplicates("head").set_index("head").loc[grid.columns]
    axis.set_xticks(range(len(grid.columns)), list(map(str, grid.columns)))
    for tick, kind, induction in zip(
        axis.get_xticklabels(), by_head["type"], by_head["induction"], strict=True
    ):
        tick.set_color(TYPES[str(kind)][1])
        tick.set_fontweight("bold" if induction else "normal")
    axis.set_yticks(range(len(grid)), list(map(str, grid.index)))
    axis.tick_params(length=0)
    axis.set_xlabel(f"head (bold: induction; * gradient may move it by over {LARGE_DRIFT:.0%})")
    axis.set_title(f"λ̂ refined to sources, seed {seed}")


def _dial(axis: Axes, table: pd.DataFrame) -> None:
    for (part, name), colour in zip(PARTS.items(), COLOURS, strict=False):
        rows = table[table["head"] == part]
        means = rows.groupby("rules")["lambda_hat"].mean()
        axis.plot(means.index, means, color=colour, label=name)
        for _, row in rows.iterrows():
            marker = MARKERS[int(row["seed"]) % len(MARKERS)]
            axis.errorbar(
                row["rules"], row["lambda_hat"], yerr=row["standard_error"], fmt=marker,
                color=colour,
            )  # fmt: skip
    values = sorted(table["rules"].unique())
    logarithmic(axis, "y")
    axis.set(xscale="log", xlabel="rules of the language", ylabel="λ̂")
    axis.set_xticks(values, [f"{value:.0f}" for value in values])
    axis.set_xticks([], minor=True)
    axis.legend(loc="best")
    axis.set_title("Models with more to store")


def _stored(axis: Axes, table: pd.DataFrame) -> None:
    of_head = table[table["head"].str.contains(":")]
    for colour, (rules, rows) in zip(COLOURS, of_head.groupby("rules"), strict=False):
        for seed in rows["seed"].unique():
            part = rows[rows["seed"] == seed]
            axis.errorbar(
                part["stored"],
                part["lambda_hat"],
                yerr=part["standard_error"],
                fmt=MARKERS[seed % len(MARKERS)],
                color=colour,
                label=f"{rules:.0f} rules" if seed == rows["seed"].min() else None,
            )
    logarithmic(axis, "x", below=10)
    axis.set(xlabel="rules that a head stores", ylabel="λ̂ of the head")
    axis.set_xlim(-1, 1.3 * max(10, of_head["stored"].max()))
    axis.legend(loc="best")
    axis.set_title("Heads with more to store")

"""Panels of figure 7 that hold the estimates against rivals, theory and other settings."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter, SymmetricalLogLocator

from stagewise.figures.style import COLOURS, CONTROL, THEORY

KINDS = {"ari": "λ̂", "ari_trace": "Hessian\ntrace", "ari_norm": "weight\nnorm"}
STRENGTHS = ("weak", "middle", "strong")


def logarithmic(axis: Axes, which: Literal["x", "y"], *, below: float = 1.0) -> None:
    """A logarithmic axis in plain numbers, linear between -below and below: for what may be
    negative or 0."""
    (axis.set_xscale if which == "x" else axis.set_yscale)("symlog", linthresh=below)
    one = axis.xaxis if which == "x" else axis.yaxis
    one.set_major_locator(SymmetricalLogLocator(base=10, linthresh=below, subs=[1, 2, 5]))
    one.set_major_formatter(StrMethodFormatter("{x:g}"))
    one.set_minor_formatter(NullFormatter())


def agreement(axis: Axes, table: pd.DataFrame) -> None:
    """Adjusted Rand index of clusters and types, by the curves that were clustered."""
    by_seed = table.drop_duplicates("seed")
    for place, column in enumerate(KINDS):
        values = by_seed[column]
        axis.bar(place, values.mean(), 0.6, color=COLOURS[0] if place == 0 else CONTROL, alpha=0.6)
        apart = place + 0.12 * (np.arange(len(values)) - (len(values) - 1) / 2)
        axis.plot(apart, values, "o", color=THEORY, markersize=2.5)
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.axhline(0.5, color=THEORY, linewidth=0.7, linestyle=":")
    axis.set_xticks(range(len(KINDS)), list(KINDS.values()))
    axis.set(ylabel="adjusted Rand index", ylim=(-0.4, 1.05), title="Clusters and types")


def saturation(axis: Axes, table: pd.DataFrame) -> None:
    """Heads at three strengths against what the Hessian trace alone would give."""
    of_head = table[table["head"].str.contains(":")]
    for colour, strength in zip(COLOURS[:3], STRENGTHS, strict=True):
        rows = of_head[of_head["strength"] == strength]
        axis.errorbar(
            rows["hessian_estimate"],
            rows["lambda_hat"],
            yerr=rows["standard_error"],
            fmt="o",
            markersize=2.5,
            color=colour,
            label=f"nβ = {rows['nbeta'].iloc[0]:g}",
        )
    positive = of_head.loc[of_head["hessian_estimate"] > 0, "hessian_estimate"]
    if len(positive):
        ends = [positive.min(), positive.max()]
        axis.plot(ends, ends, color=THEORY, linewidth=0.8)
    for which in ("x", "y"):
        logarithmic(axis, which)
    axis.set(xlabel="nβ Tr H / 2γ of the head (line: equal)", ylabel="λ̂")
    axis.legend(loc="upper left", fontsize=6)
    axis.set_title("How far from a trace")


def excess(axis: Axes, table: pd.DataFrame) -> None:
    """Of pairs of heads over the sum of both, against how much the second reads the first."""
    axis.errorbar(
        table["composition"], table["excess"], yerr=table["standard_error"], fmt="o",
        color=COLOURS[3],
    )  # fmt: skip
    top = table.loc[table["excess"].abs().nlargest(3).index]
    for _, row in top.iterrows():
        axis.annotate(
            f"{row['first']}+{row['second']}",
            (row["composition"], row["excess"]),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            fontsize=6,
        )
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.set(xlabel="K- or V-composition", ylabel="λ̂ of the pair less the sum")
    axis.set_title("Pairs of heads")


def bounds(axis: Axes, table: pd.DataFrame) -> None:
    """Heads, layers and all weights of every seed, with the bounds that theory gives."""
    middle = table[table["strength"] == "middle"]
    seeds = sorted(middle["seed"].unique())
    names = sorted(middle.loc[middle["head"].str.contains(":"), "head"].unique())
    names += ["layer0", "layer1", "all"]
    for place, name in enumerate(names):
        rows = middle[middle["head"] == name].sort_values("seed")
        apart = place + 0.2 * (np.arange(len(rows)) - (len(seeds) - 1) / 2)
        axis.errorbar(
            apart, rows["lambda_hat"], yerr=rows["standard_error"], fmt="o", markersize=2.5,
            color=COLOURS[0],
        )  # fmt: skip
        axis.plot([place - 0.4, place + 0.4], [rows["bound"].max()] * 2, color=THEORY)
    axis.set_xticks(range(len(names)), names, rotation=60)
    logarithmic(axis, "y")
    axis.set(ylabel="λ̂ (bars: bounds)", ylim=(min(-1.0, 1.5 * middle["lambda_hat"].min()), None))
    axis.set_title("Head ≤ layer ≤ all")

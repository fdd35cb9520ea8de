"""Figure 14: tokens by how all components of a model respond to more weight on them."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from stagewise.figures.style import COLOURS, CONTROL, WIDTH, letter

SUSCEPTIBILITIES = {
    "restricted": ("restricted", COLOURS[0]),
    "two_chain": ("two-chain", COLOURS[1]),
}
BLOCKS = 3


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One page."""
    figure = Figure(figsize=(WIDTH, 3.4))
    grid = GridSpec(1, 2, figure=figure, left=0.065, right=0.985, top=0.9, bottom=0.14)
    axes = [figure.add_subplot(grid[place]) for place in range(2)]
    _captured(axes[0], tables["modes"])
    _planted(axes[1], tables["modes"])
    letter(axes)
    return figure


def _captured(axis: Axes, table: pd.DataFrame) -> None:
    rows = table[table["kind"] == "share"]
    for name, (label, colour) in SUSCEPTIBILITIES.items():
        own = rows[(rows["susceptibility"] == name) & (rows["basis"] == "modes")]
        for _, path in own.groupby(["seed", "component"]):
            axis.plot(path["modes"], path["value"], color=colour, linewidth=0.3, alpha=0.4)
        mean = own.groupby("modes")["value"].mean()
        axis.plot(mean.index, mean, color=colour, marker="o", label=label)
    chance = rows[rows["basis"] == "random"].groupby("modes")["value"].mean()
    axis.plot(chance.index, chance, color=CONTROL, linestyle="--", label="random bases")
    axis.set(xlabel="leading modes of contexts and of tokens", ylabel="share of Σ q χ²")
    axis.set_ylim(0, 1.02)
    axis.set_xticks(sorted(rows["modes"].unique()))
    axis.legend(loc="center right")
    axis.set_title("Leading modes hold most of a susceptibility")


def _planted(axis: Axes, table: pd.DataFrame) -> None:
    """Shape by the block of the context, colour by that of the token."""
    rows = table[table["kind"] == "pair"]
    for context, marker in zip(range(BLOCKS), "os^", strict=True):
        for token, colour in zip(range(BLOCKS), COLOURS, strict=False):
            some = rows[(rows["context"] == context) & (rows["token"] == token)]
            axis.plot(
                some["x"], some["y"], marker, color=colour, markersize=3.5, alpha=0.8,
                markerfacecolor=colour if context == token else "white",
                markeredgewidth=0.7,
            )  # fmt: skip
    axis.set(xlabel="first component", ylabel="second component")
    axis.set_title("Pairs of context and token, with planted blocks")

"""Figure 14: tokens by how all components of a model respond to more weight on them."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter

SUSCEPTIBILITIES = {
    "restricted": ("restricted", COLOURS[0]),
    "two_chain": ("two-chain", COLOURS[1]),
}
BLOCKS = 3
"""Of the planted modes."""
REASONS = {
    "chain": COLOURS[0],
    "noise": CONTROL,
    "induction": COLOURS[1],
    "key": COLOURS[3],
    "rule": COLOURS[6],
    "opening": COLOURS[4],
    "closing": "#7a5c1e",
    "spacing": COLOURS[2],
}
NOT_CLUSTERED = "#dfe2e6"
F1 = 0.5
"""From which a feature matches."""


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One page: modes of a bilinear language (a, b), settings and controls (c, d), the map of
    tokens by reason (e) and by cluster (f), the clusters (g) and features (h)."""
    figure = Figure(figsize=(WIDTH, 10.6))
    rows = [
        GridSpec(1, len(widths), figure=figure, left=left, right=0.985, top=top, bottom=bottom,
                 wspace=wspace, width_ratios=widths)
        for widths, left, top, bottom, wspace in (
            ([1.1, 0.9, 0.95], 0.065, 0.97, 0.765, 0.52),
            ([1, 1], 0.03, 0.705, 0.375, 0.06),
            ([1.3, 0.85, 0.85], 0.075, 0.31, 0.05, 0.47),
        )
    ]  # fmt: skip
    axes = [figure.add_subplot(row[place]) for row in rows for place in range(row.ncols)]
    _captured(axes[0], tables["modes"])
    _planted(axes[1], tables["modes"])
    _settings(axes[2], tables["clusters"])
    _by_reason(axes[3], tables["clusters"])
    _by_cluster(axes[4], tables["clusters"])
    _members(axes[5], tables["clusters"])
    _controls(axes[6], tables["clusters"], tables["untempered"])
    _features(axes[7], tables["features"])
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
    axis.legend(loc="center", bbox_to_anchor=(0.62, 0.42))
    axis.set_title("Modes of the data hold susceptibilities")


def _planted(axis: Axes, table: pd.DataFrame) -> None:
    """Shape by the block of the context, colour by that of the token."""
    rows = table[table["kind"] == "pair"]
    for context, marker in zip(range(BLOCKS), "os^", strict=True):
        for token, colour in zip(range(BLOCKS), COLOURS, strict=False):
            some = rows[(rows["context"] == context) & (rows["token"] == token)]
            axis.plot(
                some["x"], some["y"], marker, color=colour, markersize=3,
                markerfacecolor=colour if context == token else "white", markeredgewidth=0.7,
            )  # fmt: skip
    handles = [
        *(
            Line2D([], [], linestyle="", marker=m, color=THEORY, label=f"context block {k + 1}")
            for k, m in enumerate("os^")
        ),
        *(
            Line2D([], [], linestyle="", marker="s", color=c, label=f"token block {k + 1}")
            for k, c in zip(range(BLOCKS), COLOURS, strict=False)
        ),
    ]
    axis.legend(handles=handles, loc="best", handletextpad=0.1, fontsize=6)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title("UMAP of pairs: planted blocks")


def _settings(axis: Axes, table: pd.DataFrame) -> None:
    """Agreement, and in grey the coverage, at several settings."""
    rows = table[table["kind"] == "variant"]
    names = list(dict.fromkeys(rows["name"]))
    for place, name in enumerate(names):
        some = rows[rows["name"] == name]
        axis.barh(place, some["ami"].mean(), color=COLOURS[0], height=0.6)
        axis.plot(some["ami"], [place] * len(some), "o", color=THEORY, markersize=2.5)
        axis.plot(some["coverage"], [place] * len(some), "|", color=CONTROL, markersize=7)
    axis.plot([], [], "|", color=CONTROL, markersize=7, label="share in clusters")
    axis.axvline(0, color=THEORY, linewidth=0.5)
    counts = [rows.loc[rows["name"] == name, "clusters"].mean() for name in names]
    labels = [f"{name} ({count:.1f})" for name, count in zip(names, counts, strict=True)]
    axis.set_yticks(range(len(names)), labels)
    axis.set(xlim=(min(0, rows["ami"].min()), 1.02), ylim=(len(names) - 0.4, -1.3))
    axis.set_xlabel("mutual information with reasons, adjusted")
    axis.legend(loc="upper right", handletextpad=0.2)
    axis.set_title("Settings (and numbers of clusters)")


def _by_reason(axis: Axes, table: pd.DataFrame) -> None:
    rows = table[table["kind"] == "token"]
    for reason, colour in REASONS.items():
        some = rows[rows["reason"] == reason]
        axis.plot(some["x"], some["y"], "o", color=colour, markersize=3, label=reason)
    axis.legend(loc="best", markerscale=1.6, handletextpad=0.1, ncols=2, columnspacing=0.6)
    _bare(axis)
    axis.set_title("UMAP of tokens by susceptibilities: why the token comes next")


def _by_cluster(axis: Axes, table: pd.DataFrame) -> None:
    rows = table[table["kind"] == "token"]
    outside = rows[rows["cluster"] < 0]
    axis.plot(outside["x"], outside["y"], "o", color=NOT_CLUSTERED, markersize=2.5)
    for cluster in range(int(rows["cluster"].max()) + 1):
        some = rows[rows["cluster"] == cluster]
        axis.plot(some["x"], some["y"], "o", color=_colour(cluster), markersize=3)
        axis.text(
            some["x"].median(), some["y"].median(), str(cluster + 1), fontsize=8, ha="center",
            va="center", fontweight="bold",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "lw": 0},
        )  # fmt: skip
    _bare(axis)
    axis.set_title("The same by cluster (grey: in none)")


def _colour(cluster: int) -> tuple[float, ...]:
    return tuple(mpl.colormaps["tab20"](cluster % 20))


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)


def _members(axis: Axes, table: pd.DataFrame) -> None:
    """Reasons in each cluster of the first seed."""
    rows = table[table["kind"] == "cluster"]
    rows = rows[rows["seed"] == rows["seed"].min()]
    shares = rows[list(REASONS)].to_numpy(dtype=float)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.05:
            axis.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5,
                color="white" if share > 0.6 else THEORY,
            )  # fmt: skip
    axis.set_xticks(range(len(REASONS)), list(REASONS), rotation=35, ha="right")
    axis.set_yticks(
        range(len(rows)),
        [f"{c + 1:.0f}  ({s:.0f})" for c, s in zip(rows["cluster"], rows["size"], strict=True)],
    )
    axis.set_ylabel("cluster (tokens)")
    axis.set_title("Reasons in the clusters, %")


def _controls(axis: Axes, clusters: pd.DataFrame, untempered: pd.DataFrame) -> None:
    scores = clusters[clusters["kind"] == "score"]
    flat = untempered[untempered["kind"] == "untempered"]
    bars = {
        "reasons": (scores.loc[scores["name"] == "ami", "value"], COLOURS[0]),
        "reasons,\nno loss (nβ ≈ 0)": (flat["ami"], COLOURS[0]),
        "reasons,\ncolumns shuffled": (scores.loc[scores["name"] == "shuffled", "value"], CONTROL),
        "which token": (scores.loc[scores["name"] == "strings", "value"], COLOURS[4]),
        "halves of\nthe chains": (scores.loc[scores["name"] == "stability", "value"], COLOURS[2]),
    }
    for place, (values, colour) in enumerate(bars.values()):
        axis.barh(place, values.mean(), color=colour, height=0.6)
        axis.plot(values, [place] * len(values), "o", color=THEORY, markersize=2.5)
    axis.axvline(0, color=THEORY, linewidth=0.5)
    axis.set_yticks(range(len(bars)), list(bars))
    axis.set(ylim=(len(bars) - 0.5, -0.5))
    axis.set_xlabel("adjusted mutual information")
    axis.set_title("What clusters agree with")


def _features(axis: Axes, table: pd.DataFrame) -> None:
    """Of the first clustering. Colours as on the map; full: the last layer's stream, open: the
    first one's."""
    table = table[table["walk"] == 0]
    axis.plot([0, 1], [0, 1], color=THEORY, linewidth=0.5)
    axis.axhline(F1, color=CONTROL, linestyle="--", linewidth=0.8)
    for stream, label in (("last", "after the last layer"), ("first", "after the first")):
        full = stream == "last"
        for reason, colour in REASONS.items():
            some = table[(table["reason"] == reason) & (table["stream"] == stream)]
            axis.plot(
                some["chance"], some["f1"], "o" if full else "s", color=colour, markersize=4,
                markerfacecolor=colour if full else "white",
            )  # fmt: skip
        axis.plot(
            [], [], "o" if full else "s", color=THEORY, markersize=4, label=label,
            markerfacecolor=THEORY if full else "white",
        )  # fmt: skip
    axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="... of random sets of equal tokens")
    axis.set_ylabel("F1 of the best feature")
    axis.legend(loc="lower right", handletextpad=0.1)
    axis.set_title("Clusters and SAE features")

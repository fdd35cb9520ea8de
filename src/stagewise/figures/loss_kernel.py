"""Figure 11: the loss kernel as a similarity of samples."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from scipy.stats import norm

from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter

SHARINGS = {"everything": "all symbols", "outputs": "results only", "hidden": "hidden layer only"}
SIMILARITIES = {
    "kernel": ("loss kernel", COLOURS[0]),
    "exact": ("Gauss-Newton", THEORY),
    "untrained": ("untrained", CONTROL),
    "gradients": ("gradients", COLOURS[4]),
    "activations": ("activations", COLOURS[2]),
}
"""Of the tree: name and colour."""
LINEAR = 0.01
"""Up to which the axis of signed similarities is linear."""
LEVELS = ("same leaf", "sisters", "cousins", "across the root")
AGREEMENTS = {
    "kernel": "loss kernel",
    "strength": "|R|",
    "untrained": "untrained",
    "activations": "activations",
    "pixels": "pixels",
    "random labels": "random labels",
}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One page: no coupling (a), coupling by shared features (b), two tasks in one network (c),
    classes on a tree (d, e) and over training (f), and digits (g, h)."""
    figure = Figure(figsize=(WIDTH, 9.4))
    rows = [
        GridSpec(1, len(widths), figure=figure, left=0.065, right=0.985, top=top, bottom=bottom,
                 wspace=0.3, width_ratios=widths)
        for widths, top, bottom in (
            ([1, 0.85, 1.25], 0.965, 0.745),
            ([1, 1, 1], 0.665, 0.435),
            ([1.25, 1], 0.355, 0.05),
        )
    ]  # fmt: skip
    axes = [figure.add_subplot(row[place]) for row in rows for place in range(row.ncols)]
    _towers(axes[0], tables["towers"])
    _shared(axes[1], tables["linear"])
    _arithmetic(axes[2], tables["arithmetic"])
    _by_distance(axes[3], tables["tree"], "strength")
    _by_distance(axes[4], tables["tree"], "mean")
    _development(axes[5], tables["development"])
    _map(axes[6], tables["digits"])
    _agreements(axes[7], tables["digits"])
    letter(axes)
    return figure


def _towers(axis: Axes, table: pd.DataFrame) -> None:
    for block, colour in (("within", COLOURS[0]), ("across", COLOURS[1])):
        rows = table[table["block"] == block]
        edges = [*rows["left"], rows["right"].iloc[-1]]
        axis.stairs(rows["density"], edges, color=colour, label=f"{block} tasks", linewidth=1.2)
    deviation = table["effective_draws"].iloc[0] ** -0.5
    x = np.linspace(table["left"].min(), table["right"].max(), 200)
    axis.plot(
        x, norm.pdf(x, scale=deviation), color=THEORY, linestyle="--", linewidth=0.9,
        label="noise alone",
    )  # fmt: skip
    axis.set(xlabel="R of a pair of samples", ylabel="density")
    axis.legend(loc="upper left")
    axis.set_title("A network for each task: no coupling across")


def _shared(axis: Axes, table: pd.DataFrame) -> None:
    curve = table.groupby("shared")["exact"].mean()
    axis.plot(curve.index, curve, color=THEORY, label="closed form")
    axis.plot(table["shared"], table["sampled"], "o", color=COLOURS[0], label="sampled")
    axis.set_xlabel(f"shared features of {table['shared'].max():.0f}")
    axis.set_ylabel("RMS R, across over within")
    axis.legend(loc="lower right")
    axis.set_title("Two regressions that share features")


def _arithmetic(axis: Axes, table: pd.DataFrame) -> None:
    """Root mean square of R within and across tasks, exact and sampled."""
    looks = (
        ("exact", "within", THEORY, "o"),
        ("exact", "across", THEORY, "s"),
        ("sampled", "within", COLOURS[0], "o"),
        ("sampled", "across", COLOURS[1], "s"),
    )
    for place, sharing in enumerate(SHARINGS):
        rows = table[table["sharing"] == sharing]
        for step, (kernel, block, colour, marker) in enumerate(looks):
            values = rows.loc[rows["kernel"] == kernel, block]
            axis.plot(
                place - 0.3 + 0.2 * step + 0.02 * np.arange(len(values)),
                values.clip(lower=_floor(table)),
                marker,
                color=colour,
                markerfacecolor="white" if block == "across" else colour,
                label=f"{kernel}, {block} tasks" if place == 0 else None,
            )
        scores = rows.groupby("kernel")["auc"].mean()
        axis.text(
            place, 0.98, f"AUC of R\nexact {scores['exact']:.2f}\nsampled {scores['sampled']:.2f}",
            transform=axis.get_xaxis_transform(), ha="center", va="top", fontsize=7,
        )  # fmt: skip
    axis.set_yscale("log")
    top = table[["within", "across"]].max().max()
    axis.set_ylim(0.7 * _floor(table), 8 * top)
    axis.set_xlim(-0.55, len(SHARINGS) - 0.45)
    axis.set_xticks(range(len(SHARINGS)), list(SHARINGS.values()))
    axis.set(xlabel="what a + b and ab modulo 7 share", ylabel="RMS R, noise taken off")
    axis.legend(loc="lower left", ncols=2, columnspacing=0.8, handletextpad=0.2)
    axis.set_title("Two tasks in one network")


def _floor(table: pd.DataFrame) -> float:
    """What values that came out as zero are drawn at: below all that did not."""
    values = table[["within", "across"]].to_numpy()
    return float(values[values > 0].min() / 3)


def _by_distance(axis: Axes, table: pd.DataFrame, column: str) -> None:
    rows = table[table["distance"] > 0] if column == "mean" else table
    for name, (label, colour) in SIMILARITIES.items():
        means = rows[rows["similarity"] == name].pivot_table(
            index="distance", columns="seed", values=column
        )
        axis.plot(means.index, means.mean(axis=1), color=colour, label=label, marker="o")
        axis.plot(means.index, means, color=colour, linewidth=0.4, alpha=0.5)
    distances = sorted(rows["distance"].unique())
    axis.set_xticks(distances, [LEVELS[int(each)].replace(" ", "\n", 1) for each in distances])
    if column == "mean":
        axis.axhline(0, color=THEORY, linewidth=0.5)
        axis.set_yscale("symlog", linthresh=LINEAR)
        axis.set_yticks([-0.1, -LINEAR, 0, LINEAR, 0.1], ["−0.1", "−0.01", "0", "0.01", "0.1"])
        axis.set_ylabel("mean similarity of two classes")
        axis.set_title("With its sign, between classes")
    else:
        axis.set_yscale("log")
        axis.set_ylabel("RMS similarity (kernels: without noise)")
        axis.legend(loc="lower left")
        axis.set_title("Classes on a tree: strength")


def _development(axis: Axes, table: pd.DataFrame) -> None:
    start = table.loc[table["step"] > 0, "step"].min() / 2
    for (level, label), colour in zip(enumerate(LEVELS), COLOURS, strict=False):
        column = f"strength{level}"
        for _, path in table.groupby("seed"):
            axis.plot(
                path["step"].clip(lower=start), path[column].where(path[column] > 0),
                color=colour, linewidth=0.4, alpha=0.5,
            )  # fmt: skip
        mean = table.groupby("step")[column].mean()
        axis.plot(
            np.maximum(mean.index, start), mean, color=colour, marker="o", markersize=2.5,
            label=label,
        )  # fmt: skip
    axis.set(xscale="log", yscale="log", xlabel="step (leftmost: untrained)")
    axis.set_ylabel("RMS R, noise taken off")
    axis.legend(loc="best")
    axis.set_title("Levels of the tree over training")


def _map(axis: Axes, table: pd.DataFrame) -> None:
    colours = [*COLOURS, THEORY, "#7fb8d8", "#e3a587"]
    for _, row in table[table["kind"] == "map"].iterrows():
        label = int(row["label"])
        axis.text(
            row["x"], row["y"], str(label), color=colours[label], fontsize=6.5, ha="center",
            va="center",
        )  # fmt: skip
    axis.update_datalim(table.loc[table["kind"] == "map", ["x", "y"]].to_numpy())
    axis.autoscale_view()
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title("UMAP of handwritten digits by √(2 (1 − R))")


def _agreements(axis: Axes, table: pd.DataFrame) -> None:
    rows = table[table["kind"] == "agreement"]
    for place, (name, label) in enumerate(AGREEMENTS.items()):
        values = rows.loc[rows["name"] == label, "value"]
        colour = COLOURS[0] if name in ("kernel", "strength") else CONTROL
        axis.barh(place, values.mean(), color=colour, height=0.6)
        axis.plot(values, [place] * len(values), "o", color=THEORY, markersize=2.5)
    chance = rows.loc[rows["name"] == "chance", "value"].iloc[0]
    axis.axvline(chance, color=THEORY, linestyle="--", linewidth=0.8)
    axis.text(chance + 0.01, -0.75, "chance", fontsize=7)
    axis.set_yticks(range(len(AGREEMENTS)), list(AGREEMENTS.values()))
    axis.set(xlim=(0, 1.03), ylim=(len(AGREEMENTS) - 0.4, -1))
    axis.set_xlabel("nearest neighbours of the same true class")
    axis.set_title("Nearest neighbours among the digits")

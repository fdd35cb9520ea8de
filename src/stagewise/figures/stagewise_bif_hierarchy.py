"""Panels on the semantic hierarchy: stages of learning, and influence of dog along them."""

import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY

OF = "dog"
LEVELS = {0: "all alike", 1: "animal or plant", 2: "mammal or bird", 4: "dog or cat"}
"""Modes on dog's branch of the tree, by what they tell apart."""
SPANS = {"oak": (0, 1), "sparrow": (1, 2), "cat": (2, 4)}
"""The last mode that dog and the item share, and the first that separates them."""
KINDS = (("dog", "cat"), ("sparrow", "robin"), ("oak", "pine"), ("rose", "lily"))


def of_first_seed(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Rows of a kind, of the first seed."""
    rows = table[table["kind"] == kind]
    return rows[rows["seed"] == rows["seed"].min()]


def half_times(table: pd.DataFrame) -> dict[int, float]:
    """Mode -> when the first seed has half of it."""
    found = of_first_seed(table, "mode").groupby("mode")["half_time"].first()
    return {int(float(str(mode))): float(time) for mode, time in found.items()}


def draw_modes(axis: Axes, table: pd.DataFrame) -> None:
    """Strength of the modes on dog's branch over time, as shares, with their half-times."""
    rows = of_first_seed(table, "mode")
    for colour, (mode, label) in zip(COLOURS, LEVELS.items(), strict=False):
        one = rows[rows["mode"] == mode]
        axis.plot(one["time"], one["strength"] / one["singular_value"], color=colour, label=label)
        axis.plot(one["half_time"].iloc[0], 0.5, "o", color=colour)
    axis.set_xlabel("training time")
    axis.set_ylabel("share learned")
    axis.set_title("Levels of the tree, one after the other")
    axis.legend(loc="lower right")


def draw_hidden(axis: Axes, table: pd.DataFrame) -> None:
    """Hidden representations of the items on two axes, along training."""
    rows = of_first_seed(table, "hidden")
    for colour, items in zip(COLOURS, KINDS, strict=False):
        for place, item in enumerate(items):
            path = rows[rows["item"] == item]
            axis.plot(path["first"], path["second"], color=colour, linewidth=0.8, alpha=0.8)
            end = path.iloc[-1]
            axis.plot(end["first"], end["second"], "o", color=colour, markersize=4)
            axis.annotate(
                item,
                (end["first"], end["second"]),
                xytext=(0, 5 if place else -10),
                textcoords="offset points",
                fontsize=6.5,
                ha="center",
                color=colour,
            )
    axis.margins(0.15)
    axis.set_xlabel("first axis")
    axis.set_ylabel("second axis")
    axis.set_title("Hidden representations branch")


def draw_influence(
    axis: Axes, hierarchy: pd.DataFrame, retraining: pd.DataFrame, item: str, *, legend: bool
) -> None:
    """Influence of dog on an item over time: sampled, in closed form, and by retraining, the last
    two in the size of the first."""
    rows = of_first_seed(hierarchy, "influence")
    rows = rows[rows["item"] == item]
    axis.errorbar(
        rows["time"], rows["influence"], 1.645 * rows["error"], fmt="o", color=COLOURS[0],
        markersize=2.2, elinewidth=0.7, label="BIF, sampled (90 %)", zorder=3,
    )  # fmt: skip
    axis.plot(rows["time"], rows["kernel"], color=THEORY, linewidth=1, label="$-K$, closed form")
    size = rows["influence"].abs().max()
    retrained = of_first_seed(retraining, "influence")
    retrained = retrained[retrained["item"] == item]
    for name, label, style, colour in (
        ("sensitivity", "sensitivity (scaled)", "-", COLOURS[2]),
        ("left_out", "dog left out (scaled)", "--", COLOURS[1]),
    ):
        curve = retrained[name] * size / retrained[name].abs().max()
        axis.plot(retrained["time"], curve, style, color=colour, linewidth=1, label=label)
    low, high = (half_times(hierarchy)[mode] for mode in SPANS[item])
    axis.axvspan(low, high, color=CONTROL, alpha=0.2, linewidth=0, label="peak expected here")
    axis.axhline(0, color=CONTROL, linewidth=0.6)
    axis.set_xlabel("training time")
    axis.set_ylabel("influence × γ  (negative helps)")
    axis.set_title(f"Influence of {OF} on {item}")
    if legend:
        axis.legend(loc="lower right", fontsize=6.5)


def draw_windows(axis: Axes, hierarchy: pd.DataFrame, retraining: pd.DataFrame) -> None:
    """What leaving dog out for a while changes, by when; triangles at the peaks of influence."""
    rows = of_first_seed(retraining, "window")
    influence = of_first_seed(hierarchy, "influence")
    for colour, item in zip(COLOURS, SPANS, strict=False):
        one = rows[rows["item"] == item]
        scores = one["score"] / one["score"].max()
        axis.plot(one["time"], scores, "-o", color=colour, markersize=2.5, label=f"on {item}")
        curve = influence[influence["item"] == item]
        peak = float(curve["time"].iloc[int(curve["influence"].argmax())])
        axis.plot(peak, 1.06, "v", color=colour, markersize=5, clip_on=False)
    axis.set_xlabel("start of the window")
    axis.set_ylabel("change of the loss at its end\n(share of the largest)")
    axis.set_title("Dog left out for a while (▼ peak of BIF)")
    axis.legend(loc="upper right")


def draw_agreement(axis: Axes, table: pd.DataFrame) -> None:
    """Sampled covariances of all pairs against the closed form, and with draws permuted."""
    pairs = table[table["kind"] == "pair"]
    for name, colour, label in (
        ("permuted", CONTROL, "draws permuted"),
        ("untempered", COLOURS[1], "nβ = 0"),
        ("sgld", COLOURS[0], "nβ = 8"),
    ):
        rows = pairs[(pairs["sampling"] == name) & (pairs["item"] != pairs["other"])]
        axis.plot(rows["closed_form"], rows["covariance"], ".", color=colour, markersize=2,
                  alpha=0.6, label=label)  # fmt: skip
    shown = pairs[pairs["item"] != pairs["other"]]["closed_form"]
    ends = [shown.min(), shown.max()]
    axis.plot(ends, ends, color=THEORY, linewidth=0.8)
    axis.set_xlabel("γ Cov, second-order closed form")
    axis.set_ylabel("γ Cov, sampled")
    axis.set_title("All pairs of items")
    axis.legend(loc="upper left", markerscale=3)


def draw_phases(axis: Axes, table: pd.DataFrame) -> None:
    """Covariance of two losses through a transition of two phases, and its two parts."""
    axis.plot(table["r"], table["within"], color=COLOURS[1], label="within phases")
    axis.plot(table["r"], table["between"], color=COLOURS[2], label="between phases")
    axis.plot(table["r"], table["total"], "--", color=THEORY, label="covariance")
    half = float(table["r"].iloc[int((table["share"] - 0.5).abs().argmin())])
    axis.axvline(half, color=CONTROL, linewidth=0.8, linestyle=":")
    axis.text(half, axis.get_ylim()[1], " π = ½", fontsize=6.5, va="top", color=CONTROL)
    axis.set_xlabel("control r")
    axis.set_ylabel("Cov")
    axis.set_title("Two phases: the peak of a transition")
    axis.legend(loc="lower right")

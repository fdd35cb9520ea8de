"""Panels of figure 1 about trained networks: training heuristics, and rescaling."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY

SWEEPS = {"learning_rate": "learning rate", "batch": "batch size", "momentum": "momentum"}
LABELS = {"clean": COLOURS[0], "noisy": COLOURS[1]}
NAMES = {"clean": "right labels", "noisy": "wrong labels"}
GAP = 1.0


def fixed_steps(axis: Axes, table: pd.DataFrame) -> None:
    """LLC after a fixed number of steps for each level of each sweep, with the training loss.

    Means over replicates and their standard errors; the loss is on the right axis.
    """
    losses = axis.twinx()
    for labels, colour in LABELS.items():
        runs = table[(table["labels"] == labels) & (table["stop"] == "fixed")]
        _sweeps(axis, runs, "lambda_hat", colour, marker="o", label=f"LLC, {NAMES[labels]}")
        _sweeps(losses, runs, "loss", colour, marker="", linestyle=":", alpha=0.7)
    axis.plot([], [], ":", color=CONTROL, label="training loss")
    losses.set_yscale("log")
    losses.set_ylim(top=10)
    losses.set_ylabel("loss (nats)")
    losses.spines["right"].set_visible(True)
    _frame(axis, table)
    axis.set_title("After a fixed number of steps")


def matched_loss(axis: Axes, table: pd.DataFrame) -> None:
    """LLC at equal training loss: where training passes it, and after common descent."""
    for labels, colour in LABELS.items():
        runs = table[table["labels"] == labels]
        passed: dict[str, Any] = {"linestyle": "--", "markerfacecolor": "white", "alpha": 0.6}
        for stop, name, style in (("passage", "as passed", passed), ("matched", "settled", {})):
            chosen = runs[runs["stop"] == stop]
            label = f"{NAMES[labels]}, {name}"
            _sweeps(axis, chosen, "lambda_hat", colour, marker="o", label=label, **style)
    _frame(axis, table)
    axis.set_title("At matched training loss")


def rescaling(axis: Axes, table: pd.DataFrame) -> None:
    """LLC and Hessian trace of relu networks rescaled by a and 1/a, means over teachers."""
    traces = axis.twinx()
    styles = {
        "hmc": ("LLC, HMC", COLOURS[0], "o-"),
        "sgld": ("LLC, SGLD", COLOURS[2], "^--"),
        "tethered": ("LLC, stiff tether", CONTROL, "s--"),
    }
    for sampling, (label, colour, style) in styles.items():
        by_scale = table[table["sampling"] == sampling].groupby("scale")["lambda_hat"]
        axis.errorbar(
            by_scale.mean().index,
            by_scale.mean(),
            by_scale.sem(),
            fmt=style,
            color=colour,
            label=label,
        )
    axis.axhline(table["coefficient"].mean(), color=THEORY, linewidth=0.8, zorder=0)
    axis.plot([], [], color=THEORY, linewidth=0.8, label="half the Jacobian's rank")
    trace = table[table["sampling"] == "hmc"].groupby("scale")["trace"].mean()
    traces.plot(trace.index, trace, ":", color=COLOURS[1])
    axis.plot([], [], ":", color=COLOURS[1], label="Hessian trace")
    traces.set_yscale("log")
    traces.set_ylim(3, 1000)
    traces.set_ylabel("Hessian trace", color=COLOURS[1])
    traces.spines["right"].set_visible(True)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("rescaling a")
    axis.set_ylabel(r"$\hat\lambda$")
    axis.set_ylim(bottom=0)
    _legend(axis)
    axis.set_title("Rescaling leaves the LLC alone")


def _places(table: pd.DataFrame) -> dict[str, dict[float, float]]:
    """Sweep -> level -> place on the horizontal axis: the sweeps side by side."""
    found, start = {}, 0.0
    for sweep in SWEEPS:
        levels = sorted(table.loc[table[f"in_{sweep}"], sweep].unique())
        found[sweep] = {level: start + place for place, level in enumerate(levels)}
        start += len(levels) - 1 + 1 + GAP
    return found


def _sweeps(
    axis: Axes, runs: pd.DataFrame, column: str, colour: str, *, label: str = "", **style: Any
) -> None:
    for number, (sweep, places) in enumerate(_places(runs).items()):
        by_level = runs[runs[f"in_{sweep}"]].groupby(sweep)[column]
        axis.errorbar(
            [places[level] for level in by_level.mean().index],
            by_level.mean(),
            by_level.sem(),
            color=colour,
            label=label if number == 0 else None,
            **style,
        )


def _frame(axis: Axes, table: pd.DataFrame) -> None:
    places = _places(table)
    ticks = {place: level for levels in places.values() for level, place in levels.items()}
    axis.set_xticks(list(ticks), [f"{level:g}" for level in ticks.values()], fontsize=6)
    for sweep, levels in places.items():
        middle = sum(levels.values()) / len(levels)
        axis.text(
            middle,
            -0.13,
            SWEEPS[sweep],
            transform=axis.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=7,
        )
    axis.axhline(0, color=CONTROL, linewidth=0.5, zorder=0)
    axis.set_ylabel(r"$\hat\lambda$")
    _legend(axis)


def _legend(axis: Axes) -> None:
    """Above the data, which get two thirds of the height."""
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.35 * (high - low))
    axis.legend(
        loc="upper center",
        ncols=2,
        fontsize=6,
        handlelength=1.6,
        labelspacing=0.25,
        columnspacing=1.0,
        borderaxespad=0.1,
    )

"""Panels of figure 3 on language models: classes of tokens, and the intervention."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY

CLASSES = {"induction": COLOURS[1], "bigram": COLOURS[0], "unforeseen": COLOURS[2]}
BRACKETS = ("opening", "closing")
TEXT_CLASSES = {
    "copied": COLOURS[0],
    "induction": COLOURS[1],
    "unforeseen": COLOURS[2],
    "word end": COLOURS[5],
}
TEXT_BRACKETS = ("left delimiter", "right delimiter")
ARMS = {
    "none": (THEORY, "nothing"),
    "start": (COLOURS[2], "repeats, at the start"),
    "before": (COLOURS[0], "repeats, before"),
    "window": (COLOURS[1], "repeats, as it forms"),
    "other": (CONTROL, "bigrams, as it forms"),
}
"""Arm of the intervention -> colour, and what is up-weighted."""


def _of_pair(table: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    return table[(table["first"] == first) & (table["second"] == second)].sort_values("step")


def _over_seeds(axis: Axes, rows: pd.DataFrame, column: str, colour: str, label: str) -> None:
    """Each seed thin, their mean thick, over log(step + 1)."""
    for _, run in rows.groupby("seed"):
        axis.plot(run["step"] + 1, run[column], color=colour, linewidth=0.5, alpha=0.5)
    mean = rows.groupby("step")[column].mean()
    axis.plot(mean.index + 1, mean, ".-", color=colour, label=label)


def _over_steps(axis: Axes, table: pd.DataFrame) -> None:
    """Steps, and the onset of induction in each seed."""
    for number, began in enumerate(table.groupby("seed")["onset"].first().dropna()):
        label = "induction begins" if number == 0 else None
        axis.axvline(began + 1, color=THEORY, linewidth=0.7, linestyle=":", label=label)
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.set_xscale("log")
    axis.set_xlabel("step + 1")


def draw_classes(
    axis: Axes, table: pd.DataFrame, of: str, classes: Mapping[str, str], title: str
) -> None:
    """Influence of classes on themselves along training; `of` is covariance or correlation, and
    classes have colours."""
    scaled = table.assign(**{name: 1000 * table[name] for name in (of, "shuffled")})
    for name, colour in classes.items():
        _over_seeds(axis, _of_pair(scaled, name, name), of, colour, name)
    if of == "covariance":
        own = _of_pair(scaled, "induction", "induction")
        _over_seeds(axis, own, "shuffled", CONTROL, "induction, draws shuffled")
    _over_steps(axis, table)
    unit = "10⁻³ nats²" if of == "covariance" else "10⁻³"
    axis.set_ylabel(f"mean {of} of two tokens ({unit})")
    axis.set_title(title)
    axis.legend(fontsize=6, loc="upper left")


def draw_delimiters(axis: Axes, table: pd.DataFrame, brackets: tuple[str, str], title: str) -> None:
    """Influence of opening and closing brackets, by the names of their classes, on themselves and
    on each other, which changes its sign or not."""
    opening, closing = brackets
    pairs = ((opening, opening), (closing, closing), (opening, closing))
    for colour, (first, second) in zip(COLOURS[3:6], pairs, strict=True):
        rows = _of_pair(table, first, second)
        named = f"{first}, {second}".replace(" delimiter", "")
        _over_seeds(axis, rows, "correlation", colour, named)
    for number, learned in enumerate(table.groupby("seed")["brackets"].first().dropna()):
        label = f"{closing} half learned".replace(" delimiter", "") if number == 0 else None
        axis.axvline(learned + 1, color=COLOURS[4], linewidth=0.7, linestyle=":", label=label)
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.set_xscale("log")
    axis.set_xlabel("step + 1")
    axis.set_ylabel("mean correlation of two tokens")
    axis.set_title(title)
    axis.legend(fontsize=6)


def draw_intervention(axis: Axes, table: pd.DataFrame) -> None:
    """Induction gap along training in every arm, mean and quartiles over models; below, when."""
    curves = table[table["kind"] == "checkpoint"]
    windows = table[table["kind"] == "window"].set_index("arm")
    for arm, (colour, label) in ARMS.items():
        by_step = curves[curves["arm"] == arm].groupby("step")["gap"]
        axis.plot(by_step.mean(), color=colour, label=label)
        low, high = by_step.quantile(0.25), by_step.quantile(0.75)
        axis.fill_between(low.index, low, high, color=colour, alpha=0.15, linewidth=0)
        if arm in windows.index:
            ends = windows.loc[arm, ["start", "end"]]
            height = -0.02 - 0.02 * list(windows.index).index(arm)
            axis.plot(ends, [height] * 2, color=colour, linewidth=3, solid_capstyle="butt",
                      transform=axis.get_xaxis_transform(), clip_on=False)  # fmt: skip
    axis.spines["bottom"].set_position(("axes", -0.1))
    axis.set_xlabel("step (bars: up-weighted)")
    axis.set_ylabel("induction gap (nats)")
    axis.set_title("Up-weighted at different times")
    axis.legend(fontsize=6)


def draw_times(axis: Axes, table: pd.DataFrame) -> None:
    """Steps to half of the gap, a line for each model across the arms."""
    times = table[table["kind"] == "time"].pivot_table(
        index=["seed", "model"], columns="arm", values="step", dropna=False
    )
    times = times.reindex(columns=list(ARMS))
    places = np.arange(len(ARMS))
    axis.plot(places, times.T, color=CONTROL, linewidth=0.5, zorder=0)
    for place, (arm, (colour, _)) in zip(places, ARMS.items(), strict=True):
        axis.plot(np.full(len(times), place), times[arm], "o", color=colour)
        axis.plot([place - 0.2, place + 0.2], [times[arm].mean()] * 2, color=colour, linewidth=2)
    p = table.loc[table["kind"] == "test", "p"].iloc[0]
    axis.set_xticks(places, [label.replace(", ", ",\n") for _, label in ARMS.values()], fontsize=6)
    axis.set_xlim(-0.5, len(ARMS) - 0.5)
    axis.set_ylabel("steps to half of the gap")
    axis.set_title(f"Sooner as it forms than before? p = {p:.2g}")

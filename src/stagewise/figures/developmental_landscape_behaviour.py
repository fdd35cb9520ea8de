"""Panels of figure 6 about what models can do at every checkpoint."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.developmental_landscape_stages import log_steps
from stagewise.figures.style import COLOURS, CONTROL, THEORY

FAR = {"ood_loss_1": 1, "ood_loss_3": 3, "ood_loss_10": 10, "ood_loss_30": 30, "ood_loss_100": 100}


def _seeds(
    axis: Axes, table: pd.DataFrame, column: str, colour: str, label: str, style: str = "-"
) -> None:
    """A line per seed; one of them named."""
    for place, (_, rows) in enumerate(table.groupby("seed")):
        (line,) = axis.plot(rows["step"] + 1, rows[column], style, color=colour, linewidth=0.9)
        line.set_label("" if place else label)


def _right(axis: Axes, label: str) -> Axes:
    twin = axis.twinx()
    twin.spines["right"].set_visible(True)
    twin.set_ylabel(label)
    return twin


def _legend(axis: Axes, twin: Axes | None = None, *, loc: Any) -> None:
    handles = axis.get_legend_handles_labels()[0]
    if twin is not None:
        handles += twin.get_legend_handles_labels()[0]
    axis.legend(handles=handles, loc=loc)


def bigrams(axis: Axes, table: pd.DataFrame) -> None:
    """Distance from the bigram law, and the n-gram scores."""
    rows = table[table["kind"] == "checkpoint"]
    twin = _right(axis, "n-gram score")
    _seeds(axis, rows, "bigram_gap", COLOURS[0], "bigram gap")
    for column, colour in (("ngram_3", COLOURS[2]), ("ngram_4", COLOURS[3])):
        _seeds(twin, rows, column, colour, column.replace("ngram_", "") + "-gram score", "--")
    axis.axhline(0, color=THEORY, linewidth=0.6)
    log_steps(axis)
    axis.set(ylabel="cross-entropy above bigrams' (nats)", title="Bigrams and n-grams")
    _legend(axis, twin, loc="center left")


def heads(axis: Axes, table: pd.DataFrame) -> None:
    """Scores of the best heads, with the steps of their half-rises as triangles."""
    rows, times = table[table["kind"] == "checkpoint"], table[table["kind"] == "time"]
    for column, colour, label in (
        ("previous_token", COLOURS[0], "previous token, first layer"),
        ("prefix", COLOURS[1], "prefix matching, second layer"),
    ):
        _seeds(axis, rows, column, colour, label)
        steps = times.loc[times["name"] == column, "step"]
        axis.plot(
            steps + 1, [0.01] * len(steps), "^", color=colour, clip_on=False,
            transform=axis.get_xaxis_transform(),
        )  # fmt: skip
    log_steps(axis)
    axis.set(
        ylim=(0, 1), ylabel="score of the best head", title="Previous-token and induction heads"
    )
    _legend(axis, loc="upper left")


def copying(axis: Axes, table: pd.DataFrame) -> None:
    """What depends on positions, copies and context."""
    rows = table[table["kind"] == "checkpoint"]
    _seeds(axis, rows, "loss_repeated", COLOURS[1], "repeated tokens")
    _seeds(axis, rows, "loss_markov", COLOURS[0], "chain")
    _seeds(axis, rows, "excess", COLOURS[3], "without positions, excess", "--")
    _seeds(axis, rows, "icl", COLOURS[2], "late less early tokens", "--")
    axis.axhline(rows["entropy_rate"].iloc[0], color=THEORY, linewidth=0.6)
    axis.text(1, rows["entropy_rate"].iloc[0], "entropy rate", fontsize=6.5, va="bottom")
    log_steps(axis)
    axis.set(ylabel="nats", title="Losses by class, positions, context")
    _legend(axis, loc="center left")


def regression(axis: Axes, table: pd.DataFrame) -> None:
    """Loss between those of the two exact predictors, size of predictions, gain from context."""
    _seeds(axis, table, "loss", COLOURS[1], "loss")
    _seeds(axis, table, "mean_square_prediction", COLOURS[0], "mean squared prediction")
    _seeds(axis, table, "icl", COLOURS[2], "loss at example D less at 1", "--")
    for value, name in (
        (table["zero_loss"].iloc[0], "predicting zero"),
        (table["bayes_loss"].iloc[-1], "Bayes"),
    ):
        axis.axhline(value, color=THEORY, linewidth=0.6)
        axis.text(
            1.0, value, name, fontsize=6.5, ha="right", va="bottom",
            transform=axis.get_yaxis_transform(),
        )  # fmt: skip
    found = table[table["prior"]]
    axis.plot(found["step"] + 1, found["mean_square_prediction"], "v", color=COLOURS[0])
    top = 1.3 * max(table["zero_loss"].iloc[0], table["loss"].iloc[-1])
    log_steps(axis)
    axis.set(
        ylim=(1.8 * min(table["icl"].min(), -0.1), top),
        ylabel="squared error",
        title="The prior first, then regression in context",
    )
    _legend(axis, loc="lower left")


def far_inputs(axis: Axes, table: pd.DataFrame) -> None:
    """Loss on inputs of larger variance, over that of predicting zero."""
    known = [column for column in FAR if column in table]
    for place, column in enumerate(known):
        shade = COLOURS[place % len(COLOURS)]
        _seeds(axis, table, column, shade, f"variance {FAR[column]}")
    axis.axhline(1, color=THEORY, linewidth=0.6)
    log_steps(axis)
    axis.set_yscale("log")
    axis.set(
        ylabel="loss over that of predicting zero", title="Inputs from outside the distribution"
    )
    _legend(axis, loc="lower left")


def text(axis: Axes, table: pd.DataFrame) -> None:
    """On text: losses on the left, scores of heads on the right."""
    twin = _right(axis, "score of the best head")
    transfer = table.assign(transfer=table["loss_repeated"] - table["loss_first"])
    _seeds(axis, table, "loss", CONTROL, "text")
    _seeds(axis, table, "loss_second_copy", COLOURS[1], "random blocks, second copy")
    _seeds(axis, transfer, "transfer", COLOURS[2], "text, pair seen less not seen")
    _seeds(twin, table, "previous_token", COLOURS[0], "previous token, first layer", "--")
    _seeds(twin, table, "prefix", COLOURS[3], "prefix matching, second layer", "--")
    twin.set_ylim(0, 1)
    axis.axhline(0, color=THEORY, linewidth=0.6)
    log_steps(axis)
    axis.set(ylabel="nats", title="The same on text")
    _legend(axis, twin, loc="center left")

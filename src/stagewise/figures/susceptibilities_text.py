"""Panels of figure 4 on real text: domains, pieces of words, and a passage as two heads see it."""

import json

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from stagewise.figures.style import COLOURS

CLASSES = (
    "word start",
    "word part",
    "word end",
    "space",
    "number",
    "punctuation",
    "left delimiter",
    "right delimiter",
    "unforeseen",
    "induction",
)
"""In the order of the panel; the last two go across the others."""
SHADES = LinearSegmentedColormap.from_list("response", [COLOURS[0], "white", COLOURS[1]])
"""Negative, none, positive."""
WIDEST = 2.5
"""Standard deviations of the fullest colour of a passage."""
SIZE = 7.5
"""Points of its letters, which are 0.602 of that wide."""


def draw_domains(axis: Axes, table: pd.DataFrame) -> None:
    """Heads by domains: means over a domain's tokens less the base's. Values whose interval holds
    zero are grey."""
    rows = table[table["kind"] == "probe"]
    matrix, low, high = (
        rows.pivot_table(index="head", columns="source", values=column)
        for column in ("value", "low", "high")
    )
    _heatmap(axis, matrix, np.asarray((low > 0) | (high < 0)))
    axis.set_title("Domains as probes (sd of a token)")


def draw_pieces(axis: Axes, table: pd.DataFrame) -> None:
    """Heads by classes of tokens: means of restricted susceptibilities."""
    rows = table[table["kind"] == "class"]
    matrix = rows.pivot_table(index="head", columns="class", values="value")
    matrix = matrix[[name for name in CLASSES if name in matrix]]
    _heatmap(axis, matrix, np.ones(matrix.shape, dtype=bool))
    axis.set_title("Pieces of text (mean, sd of a token)")


def _heatmap(axis: Axes, matrix: pd.DataFrame, certain: np.ndarray) -> None:
    values = matrix.to_numpy()
    most = float(np.abs(values).max())
    axis.imshow(values, cmap=SHADES, norm=Normalize(-most, most), aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axis.text(
            column, row, f"{value:+.2f}".replace("-", "−"), ha="center", va="center", fontsize=5.5,
            color="black" if certain[row, column] else "#8a929b",
        )  # fmt: skip
    names = list(matrix.columns)
    axis.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=6)
    axis.set_yticks(range(len(matrix)), list(matrix.index))
    axis.set_ylabel("head")
    axis.tick_params(length=0)


def draw_passages(axis: Axes, table: pd.DataFrame) -> None:
    """The sequence of text with most induction tokens, coloured by the head that looks most at the
    token before and by that which looks most at what came after the same token; induction tokens
    are underlined."""
    heads = table[table["kind"] == "head"].set_index("head")
    tokens = table[(table["kind"] == "token") & (table["source"] != "blocks")]
    counts = tokens.groupby("sample")["induction"].sum()
    shown = tokens[tokens["sample"] == counts.idxmax()].sort_values("token")
    inches = axis.figure.bbox.width / axis.figure.dpi * axis.get_position().width
    columns = int(72 * inches / (0.602 * SIZE))
    row = 0.0
    for name, role in (("previous_token", "looks at the token before"), ("prefix", "induction")):
        head = heads[name].astype(float).idxmax()
        axis.text(0, row + 0.5, f"{head}, {role}", va="center", fontsize=7, fontweight="bold")
        row = _passage(axis, shown, str(head), row + 1.1, columns=columns) + 0.5
    axis.set(xlim=(0, columns), ylim=(row, 0))
    axis.axis("off")
    axis.set_title(f"Text ({shown['source'].iloc[0]}) as two heads see it")


def _passage(axis: Axes, shown: pd.DataFrame, head: str, row: float, *, columns: int) -> float:
    """Draws the tokens from a row on; the row after them."""
    column = 0
    norm = Normalize(-WIDEST, WIDEST)
    for text, value, again in zip(
        map(json.loads, shown["text"]), shown[head], shown["induction"], strict=True
    ):
        for place, line in enumerate(str(text).replace("\t", "    ").split("\n")):
            if place:
                row, column = row + 1, 0
            piece = line[:columns]
            if column + len(piece) > columns:
                row, column = row + 1, 0
            axis.add_patch(
                Rectangle((column, row), len(piece), 0.96, color=SHADES(norm(value)), linewidth=0)
            )
            axis.text(
                column, row + 0.52, piece, va="center", fontsize=SIZE, fontfamily="DejaVu Sans Mono"
            )
            if again and piece:
                axis.plot([column, column + len(piece)], [row + 0.97] * 2, color="black", lw=0.6)
            column += len(piece)
    return row + 1

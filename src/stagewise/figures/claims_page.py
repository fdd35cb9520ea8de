"""All claims with their verdicts as a page to sort and to filter."""

from typing import Any

import pandas as pd

from stagewise.figures.table_page import Cell, Column, page

COLOURS = {
    "reproduced": "#3d9970",
    "not reproduced": "#d1603d",
    "inconclusive": "#b59a2d",
    "not tested at this scale": "#9aa3ad",
}

KINDS = ("control", "gate", "reference", "confound", "rival", "contrast")
"""What a sentence can begin with that is no claim of the paper, but stands beside one."""


def _kind(claim: pd.Series) -> str:
    first = str(claim.says).removeprefix("... ").split(maxsplit=1)[0].rstrip(":;,.").lower()
    return first if first in KINDS else "claim"


def _number(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"


def _measured(claim: pd.Series) -> Cell:
    """The number with its interval; 'not a number' is what some statistics are."""
    if not claim.statistic:
        return Cell("")
    text = _number(claim.measured) or "not defined"
    if pd.notna(claim.low):
        text += f" [{_number(claim.low)}, {_number(claim.high)}]"
    order = None if pd.isna(claim.measured) else float(claim.measured)
    return Cell(text, order, title=str(claim.statistic))


def draw(claims: pd.DataFrame, scale: str) -> str:
    """The page; `claims` as in claims.csv."""
    empty = dict.fromkeys(("where", "statistic", "condition", "note"), "")
    claims = claims.astype(dict.fromkeys(empty, object)).fillna(empty)
    counts = claims.verdict.value_counts().reindex(list(COLOURS), fill_value=0)
    about = (
        f"{len(claims)} claims and controls at the scale {scale!r}: "
        + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        + ".\nA claim is reproduced if all of the 90 % interval meets the condition, which was "
        "written before the run; not reproduced if none of it does; inconclusive if it straddles "
        "the threshold or the chains are not stationary. Controls stand after what they control. "
        "The name of a statistic shows under the mouse."
    )
    if scale == "smoke":
        about += "\nThis scale only proves that every rule runs: its verdicts mean nothing."
    rows = [claim for _, claim in claims.iterrows()]
    return page(
        "Claims",
        about,
        {
            Column("figure", narrow=True): [Cell(str(c.figure), float(c.figure)) for c in rows],
            Column("paper", menu=True, narrow=True): [Cell(c.slug) for c in rows],
            Column("claim", narrow=True): [Cell(c.claim) for c in rows],
            Column("kind", menu=True, narrow=True): [Cell(_kind(c)) for c in rows],
            Column("says"): [Cell(c.says) for c in rows],
            Column("where"): [Cell(c["where"]) for c in rows],
            Column("measured [90 %]", narrow=True): [_measured(c) for c in rows],
            Column("condition", narrow=True): [Cell(c.condition) for c in rows],
            Column("units", narrow=True): [_units(c) for c in rows],
            Column("verdict", menu=True, narrow=True): [
                Cell(c.verdict, colour=COLOURS[c.verdict]) for c in rows
            ],
            Column("note"): [Cell(c.note) for c in rows],
        },
    )


def _units(claim: pd.Series) -> Cell:
    """How many independent ones the interval is over."""
    text = _number(claim.n)
    return Cell(text, float(claim.n) if text else None)

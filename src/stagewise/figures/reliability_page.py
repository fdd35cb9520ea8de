"""How reliable the chains are that the papers' numbers rest on, as a page to sort and filter."""

import pandas as pd

from stagewise.engine.stationarity import STATIONARY_DRIFT, STATIONARY_RHAT
from stagewise.figures.table_page import Cell, Column, page

NUMBERS = {
    "posteriors": "posteriors",
    "chains": "chains",
    "draws": "draws",
    "stationary": "stationary",
    "rhat": "largest R-hat",
    "ess_bulk": "least ESS",
    "drift": "largest drift",
    "acceptance": "least acceptance",
    "loss_rise": "largest rise of the loss",
    "tether_share": "tether share",
    "tether_ratio": "tether ratio",
}
"""Columns of the table, and what they are called on the page."""

ALL, MOST, FEW = "#3d9970", "#b59a2d", "#d1603d"


def draw(table: pd.DataFrame) -> str:
    """The page; a row for each draws file, with `figures`, `run`, `sampling`, `kernel` and the
    columns of `estimators.reliability`."""
    about = (
        "Every set of draws that a figure rests on: its worst posterior, and the median of its "
        f"gates.\nChains are stationary if R-hat is below {STATIONARY_RHAT:g} and the second half "
        f"of the draws is less than {STATIONARY_DRIFT:g} standard errors from the first. Near 1 in "
        "both tether columns the chains felt little but the tether, and the estimate is a Hessian "
        "trace in disguise. Claims that rest on chains that are not stationary are inconclusive."
    )
    columns = {
        Column("figures", menu=True, narrow=True): _texts(table["figures"]),
        Column("run", narrow=True): _texts(table["run"]),
        Column("sampling", narrow=True): _texts(table["sampling"]),
        Column("kernel", menu=True, narrow=True): _texts(table["kernel"]),
    }
    for name, label in NUMBERS.items():
        columns[Column(label, narrow=True)] = [_number(name, value) for value in table[name]]
    return page("Reliability", about, columns)


def _texts(values: pd.Series) -> list[Cell]:
    return [Cell(str(value)) for value in values]


def _number(name: str, value: float) -> Cell:
    if pd.isna(value):
        return Cell("")
    colour = ""
    if name == "stationary":
        colour = ALL if value == 1 else MOST if value >= 0.8 else FEW
    return Cell(f"{value:.3g}" if value < 1000 else f"{value:.0f}", float(value), colour)

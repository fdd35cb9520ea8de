"""Correlation of two quantities after what others say of both is taken away."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

ROUNDING = 1e-9
"""Share of a spread that is rounding: what is left below it is nothing."""


def partial_correlation(
    first: ArrayLike, second: ArrayLike, given: ArrayLike, *, ranks: bool = False
) -> float:
    """Pearson's correlation of the residuals of two quantities on others; with `ranks`, Spearman's.

    first, second  (n,)
    given          (n,) or (n, k), what is held fixed, linearly and with a constant

    Not a number where one of the two is a function of what is given, as every quantity that rises
    at every step of a run is by its ranks, and where n is not above k + 2.
    """
    others = np.asarray(given, dtype=float).reshape(len(np.asarray(first)), -1)
    columns = [np.asarray(first, dtype=float), np.asarray(second, dtype=float), *others.T]
    if ranks:
        columns = [rankdata(column) for column in columns]
    if len(columns[0]) <= len(columns):
        return float("nan")
    design = np.column_stack([np.ones(len(columns[0])), *columns[2:]])
    left = []
    for column in columns[:2]:
        rest = column - design @ np.linalg.lstsq(design, column, rcond=None)[0]
        if np.linalg.norm(rest) <= ROUNDING * np.linalg.norm(column - column.mean()):
            return float("nan")
        left.append(rest)
    return float(left[0] @ left[1] / np.sqrt((left[0] @ left[0]) * (left[1] @ left[1])))

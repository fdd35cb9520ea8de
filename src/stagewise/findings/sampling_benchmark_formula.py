"""Aoyagi's coefficient of deep linear networks against what is known in special cases."""

import itertools
from collections.abc import Mapping
from typing import Any

import pandas as pd

from stagewise.findings.measured import Measured, exact
from stagewise.theory.aoyagi import deep_linear, reduced_rank

LARGEST = 7
"""Widths of the two-layer networks that are compared: all up to this."""
DEEP = (2, 3, 5, 6)
"""Widths of the three-layer networks of which the bounds are checked: all combinations."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C1: the formula in exact rational arithmetic.

    table  one row per network: widths, rank, coefficient, multiplicity, known (the reduced-rank
           value; not a number for more than two layers), half_dimension
    """
    rows = []
    shapes = [
        *itertools.product(range(1, LARGEST + 1), repeat=3),
        *itertools.product(DEEP, repeat=4),
    ]
    for widths in shapes:
        for rank in range(min(widths) + 1):
            found = deep_linear(list(widths), rank)
            rows.append(
                {
                    "widths": "-".join(map(str, widths)),
                    "rank": rank,
                    "coefficient": float(found.value),
                    "multiplicity": found.multiplicity,
                    "known": float(reduced_rank(*widths, rank).value)
                    if len(widths) == 3
                    else float("nan"),
                    "half_dimension": sum(a * b for a, b in itertools.pairwise(widths)) / 2,
                    "full": widths[0] * widths[-1] / 2
                    if rank == min(widths[0], widths[-1])
                    else float("nan"),
                }
            )
    table = pd.DataFrame(rows)
    two = table[table["known"].notna()]
    full = table[table["full"].notna()]
    return table, {
        "formula_mismatches": exact((two["coefficient"] != two["known"]).sum(), n=len(two)),
        "formula_above_half_dimension": exact(
            (table["coefficient"] > table["half_dimension"]).sum(), n=len(table)
        ),
        "formula_full_rank_mismatches": exact(
            (full["coefficient"] != full["full"]).sum(), n=len(full)
        ),
    }

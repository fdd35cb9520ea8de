"""LLC tables of several samplings as one, with the columns to be read first."""

from collections.abc import Mapping

import pandas as pd

COLUMNS = (
    "model",
    "revision",
    "step",
    "sampling",
    "seed",
    "component",
    "n",
    "step_size",
    "lambda_hat",
    "low",
    "high",
    "standard_error",
    "chains",
    "escaped",
    "stationary",
    "rhat",
    "ess_bulk",
    "loss_at_centre",
    "loss_rise",
    "tether_share",
    "tether_ratio",
    "acceptance",
    "nbeta",
    "localization",
    "epsilon",
    "dimension",
    "commit",
)
"""Of a summary, in this order, where a table has them."""


def summary(found: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """(sampling, seed) -> its LLC table, as one table with the columns of COLUMNS alone.

    Rows by sampling and seed in the order given, then as they stand. A column that only some
    tables have is empty in the others.
    """
    parts = [
        table.assign(sampling=sampling, seed=seed) for (sampling, seed), table in found.items()
    ]
    whole = pd.concat(parts, ignore_index=True)
    return whole[[column for column in COLUMNS if column in whole]]

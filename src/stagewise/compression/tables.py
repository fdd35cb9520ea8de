"""Sweeps of many checkpoints and schemes as tidy tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from stagewise.compression.critical import critical_amounts
from stagewise.compression.sweep import Sweep

Sweeps = Mapping[tuple[int, str], Sweep]
"""(checkpoint, name of the scheme) -> its sweep."""


def rise_table(sweeps: Sweeps) -> pd.DataFrame:
    """One row per checkpoint, scheme and amount: loss of the checkpoint, loss_rise (mean over
    draws, nats) with its standard_error, draws, and the description length in bits."""
    parts = [
        pd.DataFrame(
            {
                "checkpoint": checkpoint,
                "scheme": scheme,
                "amount": found.amounts,
                "loss": found.loss,
                "loss_rise": found.mean,
                "standard_error": found.standard_error,
                "draws": found.rises.shape[1],
                "bits": found.bits,
            }
        )
        for (checkpoint, scheme), found in sweeps.items()
    ]
    return pd.concat(parts, ignore_index=True)


def critical_table(sweeps: Sweeps, tolerances: Sequence[float]) -> pd.DataFrame:
    """One row per checkpoint, scheme and tolerance (nats): the critical amount of the mean rise and
    whether it is censored ("low", "high", or nothing)."""
    rows = [
        {"checkpoint": checkpoint, "scheme": scheme} | critical._asdict()
        for (checkpoint, scheme), found in sweeps.items()
        for critical in critical_amounts(found.amounts, found.mean, tolerances)
    ]
    return pd.DataFrame(rows)

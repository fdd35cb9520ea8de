"""Scores of a language model's heads, and when each ability is there."""

import pandas as pd

from stagewise.estimators.crossings import part_way
from stagewise.findings.developmental_landscape_curves import in_order


def best_heads(behaviour: pd.DataFrame) -> pd.DataFrame:
    """A run's table in order of steps, with `previous_token`, the best score of a head of the first
    layer, and `prefix`, that of the second."""
    rows = in_order(behaviour)
    columns = list(rows.columns)
    best = pd.DataFrame(
        {
            name: rows[[c for c in columns if str(c).startswith(f"{name} {layer}:")]].max(axis=1)
            for name, layer in (("previous_token", 0), ("prefix", 1))
        }
    )
    return pd.concat([rows, best], axis=1)


def time_of(rows: pd.DataFrame, column: str, share: float = 0.5) -> float:
    """The step after which a column stays beyond `share` of its way from first to last."""
    return part_way(rows["step"], rows[column], share)

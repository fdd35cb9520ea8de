"""Coefficients of fitted lines: those of a regular model."""

from typing import Any

import pandas as pd

from stagewise.findings.measured import Measured, exact, mean_of


def measure(
    inputs: dict[str, list[Any]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """All estimates, their mean, and whether it is within the margin of the exact value 1."""
    table = pd.concat(inputs["llc"], ignore_index=True)
    near = abs(table["lambda_hat"].mean() - 1) < settings["margin"]
    return table, {"mean": mean_of(table["lambda_hat"]), "near": exact(float(near))}

"""Coefficients of sums of powers beside their exact values."""

from typing import Any

import pandas as pd

from stagewise.findings.measured import Measured, exact
from stagewise.theory.normal_crossing import sum_coefficient


def measure(
    inputs: dict[str, list[Any]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The estimates of both valleys, and the mean share of the exact value that they reach."""
    table = pd.concat(inputs["llc"], ignore_index=True)
    powers = table["k"].str.split(",").map(lambda k: [int(p) for p in k])
    table["exact"] = powers.map(lambda k: float(sum_coefficient(k)))
    return table, {"share": exact((table["lambda_hat"] / table["exact"]).mean())}

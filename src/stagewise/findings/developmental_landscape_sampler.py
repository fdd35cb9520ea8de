"""The sampler against its closed form, on quadratics with flat directions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    simulated,
)
from stagewise.theory.langevin import gaussian_excess

ESTIMATES = ("llc",)
"""Inputs that are LLC tables of draws."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """How far the estimate is from what the same chain gives in closed form.

    inputs    llc: tables of quadratics with curvatures over decades and further flat directions
    table     one row per quadratic: estimate, `closed_form`, both with the step of the sampler
    """
    table = pd.concat(inputs["llc"], ignore_index=True)
    closed = [
        gaussian_excess(
            [float(part) for part in str(row["spectrum"]).split()],
            n_beta=row["nbeta"],
            localization=row["localization"],
            epsilon=row["epsilon"],
        )
        for row in table.to_dict("records")
    ]
    table["closed_form"] = closed
    doubt = not_stationary(table["rhat"])
    error = simulated(
        lambda values: float(np.abs(values / closed - 1).max()),
        table["lambda_hat"],
        table["standard_error"],
        seed=0,
    )
    flat = mean_of((table["lambda_hat"] - table["closed_form"]) / table["flat"])
    half = table["dimension"] / 2
    columns = ["seed", "spectrum", "flat", "nbeta", "localization", "epsilon", "lambda_hat"]
    return table[[*columns, "standard_error", "closed_form", "rhat"]], {
        "sampler_error": doubtful(error, doubt),
        "sampler_flat_direction": doubtful(flat, doubt or flat.doubt),
        "control_sampler_half_dimension": exact(
            float((half / table["closed_form"] - 1).abs().min()), n=len(table)
        ),
    }

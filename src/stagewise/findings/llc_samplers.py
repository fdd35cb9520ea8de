"""Three samplers, one posterior: SGLD against MALA and exact draws on deep linear networks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import Measured, doubtful, exact, not_stationary, simulated

ESTIMATES = ("sgld", "mala", "gibbs", "minibatch")
"""Inputs that are LLC tables of draws."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C8 (Lau et al., 2308.12108): minibatch SGLD agrees with Metropolis-adjusted sampling.

    inputs    sgld, mala, gibbs (population loss) and minibatch (sampled data): llc.csv tables
    table     one row per network and sampler
    """
    table = pd.concat(
        [
            pd.concat(frames, ignore_index=True).assign(sampler=sampler)
            for sampler, frames in inputs.items()
        ],
        ignore_index=True,
    )[
        [
            "sampler",
            "network",
            "widths",
            "rank",
            "half_jacobian_rank",
            "n",
            "lambda_hat",
            "standard_error",
            "low",
            "high",
            "acceptance",
            "rhat",
            "ess_bulk",
        ]
    ]
    by_network = table.set_index(["sampler", "network"])

    def apart(one: str, other: str) -> Measured:
        first, second = by_network.loc[one], by_network.loc[other]
        count = len(first)

        def largest(values: NDArray[Any]) -> float:
            return float(np.abs(values[:count] / values[count:] - 1).max())

        difference = simulated(
            largest,
            np.concatenate([first.lambda_hat, second.lambda_hat]),
            np.concatenate([first.standard_error, second.standard_error]),
            seed=0,
        )
        return doubtful(difference, not_stationary(np.concatenate([first.rhat, second.rhat])))

    return table, {
        "sgld_mala_difference_max": apart("sgld", "mala"),
        "minibatch_mala_difference_max": apart("minibatch", "mala"),
        "mala_gibbs_difference_max": apart("mala", "gibbs"),
        "mala_acceptance": exact(float(by_network.loc["mala"].acceptance.mean()), n=3),
    }

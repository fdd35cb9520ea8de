"""Two components of one zero set: the estimate belongs to the component that w* lies on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import ttest_ind

from stagewise.estimators.llc import chain_estimates
from stagewise.findings.measured import Measured, doubtful, exact, mean_of, not_stationary
from stagewise.theory.normal_crossing import two_component_excess

CENTRES = ((0.0, 0.0), (1.0, 0.3))


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C2 of Lau et al. (2308.12108 v1): locality.

    K = ((w1 - 1)^k1 (w1^2 + w2^2)^k2)^2 has coefficient 1/(2 k2) at the origin and 1/(2 k1) on
    the line w1 = 1.

    inputs    draws of the two starting points, chains being the repeats
    table     one row per chain: start, lambda_hat, quadrature, theory
    """
    draws = inputs["draws"][0]
    k1, k2 = (int(float(part)) for part in str(draws.k.values[0]).split(","))
    nbeta, gamma = float(draws.nbeta[0]), float(draws.localization)
    rows, statistics = [], {}
    found = []
    for place, (centre, name) in enumerate(zip(CENTRES, ("origin", "line"), strict=True)):
        chains = chain_estimates(draws).isel(checkpoint=place, n=0).values
        truth = two_component_excess(k1, k2, n_beta=nbeta, localization=gamma, centre=centre)
        theory = 1 / (2 * (k2 if name == "origin" else k1))
        rows += [
            {
                "start": name,
                "chain": chain,
                "lambda_hat": value,
                "quadrature": truth,
                "theory": theory,
            }
            for chain, value in enumerate(chains)
        ]
        found.append(chains)
        statistics[f"{name}_relative_error"] = mean_of(chains / truth - 1)
    sign = np.sign(1 / k2 - 1 / k1)
    test = ttest_ind(found[0], found[1], equal_var=False)
    directed = float(np.log10(max(test.pvalue, 1e-300)))
    if np.sign(found[0].mean() - found[1].mean()) != sign:
        directed = 0.0
    statistics["components_log10_p"] = exact(directed, n=2 * len(found[0]))
    doubt = not_stationary(draws.rhat)
    return pd.DataFrame(rows), {
        name: doubtful(number, doubt) for name, number in statistics.items()
    }

"""Known potentials: estimates against quadrature, quadrature against asymptotic theory."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    not_stationary,
    rank_correlation,
    simulated,
)
from stagewise.theory.normal_crossing import (
    monomial_coefficient,
    monomial_excess,
    sum_coefficient,
    sum_excess,
)

ESTIMATES = ("monomials", "monomials_exact", "sums")
"""Inputs that are LLC tables of draws."""

SCALE = 2.0
"""Factor of the monomials: regression with noise of standard deviation 1/2."""


def _exponents(text: str) -> list[int]:
    return [int(float(part)) for part in str(text).split(",")]


def _truth(family: str, row: Mapping[Hashable, Any]) -> tuple[float, int, float]:
    """Asymptotic coefficient, multiplicity, and the exact value at the same n and gamma."""
    k, posterior = (
        _exponents(row["k"]),
        {
            "n_beta": row["nbeta"],
            "localization": row["localization"],
        },
    )
    if family == "sum":
        return float(sum_coefficient(k)), 1, sum_excess(k, **posterior)
    h = _exponents(row["h"])
    theory = monomial_coefficient(k, h)
    excess = monomial_excess(k, h, scale=SCALE, **posterior)
    return float(theory.value), theory.multiplicity, excess


def _judged(frames: list[pd.DataFrame], family: str, sampler: str) -> pd.DataFrame:
    """Estimates of one family beside their truths."""
    table = pd.concat(frames, ignore_index=True)
    truths = [_truth(family, row) for row in table.to_dict("records")]
    return pd.DataFrame(truths, columns=["theory", "multiplicity", "quadrature"]).join(
        table[["k", "h", "lambda_hat", "standard_error", "rhat"]].assign(
            family=family, sampler=sampler
        )
    )


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C1 of Lau et al. (2308.12108): estimates order the potentials and are close to theory.

    inputs    monomials (SGLD), monomials_exact (MALA), sums (SGLD): llc.csv tables
    table     one row per potential and sampler: theory (asymptotic lambda), quadrature (the same
              posterior at the same n and gamma), lambda_hat, standard_error
    """
    table = pd.concat(
        [
            _judged(inputs["monomials"], "monomial", "sgld"),
            _judged(inputs["monomials_exact"], "monomial", "mala"),
            _judged(inputs["sums"], "sum", "sgld"),
        ],
        ignore_index=True,
    )
    sgld = table[(table.family == "monomial") & (table.sampler == "sgld")]
    mala = table[table.sampler == "mala"]
    sums = table[table.family == "sum"]

    def worst(part: pd.DataFrame) -> Measured:
        truth = part.quadrature.to_numpy()

        def largest(values: NDArray[Any]) -> float:
            return float(np.abs(values / truth - 1).max())

        error = simulated(largest, part.lambda_hat, part.standard_error, seed=0)
        return doubtful(error, not_stationary(part.rhat))

    theory = sgld.theory.to_numpy()
    distance = ((mala.lambda_hat - mala.quadrature) / mala.standard_error).abs()
    half_dimension = float((1 / sgld.quadrature - 1).abs().median())
    return table, {
        "monomial_sgld_error_max": worst(sgld),
        "monomial_mala_error_max": worst(mala),
        "monomial_mala_z_max": exact(distance.max(), n=len(mala)),
        "monomial_spearman": doubtful(
            simulated(
                lambda values: rank_correlation(values, theory),
                sgld.lambda_hat,
                sgld.standard_error,
                seed=1,
            ),
            not_stationary(sgld.rhat),
        ),
        "sum_error_max": worst(sums),
        "half_dimension_error_median": exact(half_dimension, n=len(sgld)),
    }

"""Toy model of superposition: estimated local learning coefficients of the polygon phases."""

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from stagewise.findings.measured import Measured, exact, mean_of
from stagewise.theory.superposition import PHASES_6, parse_phase, polygon_coefficient

ESTIMATES = ("exact_kernel", "paper")
"""Inputs that are LLC tables of draws."""

C = 6
COLUMNS = [
    "phase",
    "n",
    "lambda_hat_stayed",
    "low_stayed",
    "high_stayed",
    "chains_stayed",
    "lambda_hat",
    "chains",
    "rhat",
    "acceptance",
]
STATIONARY = 1.1
"""Split R-hat above which chains have not agreed and the estimate must not decide a claim."""
SETTLED = 5e5
"""n from which the exact coefficients are to be met: below, chains leave the basins."""


def measure(
    inputs: dict[str, list[pd.DataFrame]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Coefficients over the chains that stayed in the basin, beside the exact ones.

    Inputs: `exact_kernel`, llc.csv of MALA on the population loss; `paper`, llc.csv of the
    paper's SGLD on data sets of 5000. Table: one row per source, phase and n.
    """
    population = pd.concat(inputs["exact_kernel"], ignore_index=True)
    paper = pd.concat(inputs["paper"], ignore_index=True)
    found: dict[str, Measured] = {}
    for phase in PHASES_6:
        rows = population[(population["phase"] == phase) & (population["n"] >= SETTLED)]
        for n, of_n in rows.groupby("n"):
            found[f"llc_deviation_{_name(phase)}_n{n:.0f}"] = _deviation(of_n, phase)
    smallest = population[population["n"] == population["n"].min()]
    found["llc_excess_6_smallest_n"] = _deviation(smallest[smallest["phase"] == "6"], "6")
    found |= _stayed(population)
    found |= _paper(paper)
    return pd.concat(_rows(population, paper), ignore_index=True), found


def _name(phase: str) -> str:
    return phase.replace("+", "plus")


def _exact(phase: str) -> float:
    k, positive = parse_phase(phase)
    return float(polygon_coefficient(k, C, positive))


def _deviation(rows: pd.DataFrame, phase: str) -> Measured:
    """lambda-hat of the chains that stayed minus the exact coefficient; one run, or several."""
    if len(rows) > 1:
        return mean_of(rows["lambda_hat_stayed"] - _exact(phase))
    row = rows.iloc[0]
    doubt = ""
    if row["chains_stayed"] < 2:
        doubt = f"{row['chains_stayed']:.0f} of {row['chains']:.0f} chains stayed in the basin"
    elif row["chains_stayed"] == row["chains"] and row["rhat"] > STATIONARY:
        doubt = f"the chains disagree: split R-hat {row['rhat']:.2f}"
    low, high = (row[f"{end}_stayed"] - _exact(phase) for end in ("low", "high"))
    if np.isnan(low):
        return Measured(row["lambda_hat_stayed"] - _exact(phase), n=1, doubt=doubt)
    return Measured(
        row["lambda_hat_stayed"] - _exact(phase),
        low,
        high,
        n=int(row["chains_stayed"]),
        doubt=doubt,
    )


def _stayed(population: pd.DataFrame) -> dict[str, Measured]:
    """Share of chains that stayed in the basin, by kind of phase, at 5e4 and below and above."""
    four = population["phase"].str.startswith("4")
    settled = population["n"] >= SETTLED
    return {
        name: exact(rows["chains_stayed"].sum() / rows["chains"].sum(), n=int(rows["chains"].sum()))
        for name, rows in {
            "stayed_four_below": population[four & ~settled],
            "stayed_other_below": population[~four & ~settled],
            "stayed_settled": population[settled],
        }.items()
    }


def _paper(paper: pd.DataFrame) -> dict[str, Measured]:
    """Means over data sets of the chains that stayed, and shares of those chains."""
    found = {}
    for phase, rows in paper.groupby("phase"):
        found[f"paper_llc_{_name(str(phase))}"] = _over_sets(rows["lambda_hat_stayed"])
        found[f"paper_stayed_{_name(str(phase))}"] = exact(
            rows["chains_stayed"].sum() / rows["chains"].sum(), n=int(rows["chains"].sum())
        )
    sets = ["seed", "data_set"]
    wide = paper.pivot_table("lambda_hat_stayed", index=sets, columns="phase")
    found["paper_llc_6_minus_5"] = _over_sets(wide["6"] - wide["5"])
    return found


def _over_sets(values: pd.Series) -> Measured:
    kept = values.dropna()
    if len(kept) < 3:
        doubt = f"chains stayed in the basin on {len(kept)} of {len(values)} data sets"
        return Measured(float("nan"), n=len(kept), doubt=doubt)
    return mean_of(kept)


def _rows(population: pd.DataFrame, paper: pd.DataFrame) -> Iterator[pd.DataFrame]:
    yield population[COLUMNS].assign(source="population", exact=population["phase"].map(_exact))
    for (phase, n), rows in paper.groupby(["phase", "n"]):
        values = rows["lambda_hat_stayed"].dropna()
        error = values.std(ddof=1) / sqrt(len(values)) if len(values) > 1 else np.nan
        half = student.ppf(0.95, max(len(values) - 1, 1)) * error
        yield pd.DataFrame(
            {
                "source": "paper",
                "phase": phase,
                "n": n,
                "lambda_hat_stayed": values.mean(),
                "low_stayed": values.mean() - half,
                "high_stayed": values.mean() + half,
                "chains_stayed": rows["chains_stayed"].sum(),
                "lambda_hat": rows["lambda_hat"].mean(),
                "chains": rows["chains"].sum(),
                "rhat": rows["rhat"].median(),
                "acceptance": rows["acceptance"].mean(),
                "exact": _exact(str(phase)),
            },
            index=[0],
        )

"""The redundancy of two-part codes in models of known learning coefficient."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import Measured, bootstrap, exact
from stagewise.theory.two_part_code import (
    Model,
    codebook,
    mixture_redundancy,
    regular_redundancy,
    sample_means,
    two_part_redundancy,
)

Array = NDArray[np.float64]

MODELS = {
    "power1": Model((1,)),
    "power2": Model((2,)),
    "power3": Model((3,)),
    "product": Model((1, 1)),
    "square": Model((1, 2)),
    "mean": Model((1,), copies=2),
}
"""f = w, w^2, w^3, w_1 w_2, w_1 w_2^2 and (w_1, w_2)."""
CODES = {
    "two_part": two_part_redundancy,
    "mixture": mixture_redundancy,
    "regular": regular_redundancy,
}
LARGE = 2**12
"""From this n on the redundancy is held against its bound."""


def measure(
    inputs: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The theorem of Urdshals et al. (2510.12077): R_n = lambda log n - (m - 1) log log n + O(1).

    A data set is a sequence, whose first n samples are coded for every n: data sets are what is
    independent, and intervals are from resampling them. Slopes are of R_n + (m - 1) log log n on
    log n, relative to lambda; "exact" slopes are on -log of the exact prior mass of the truth's
    cell, of which lambda log n - (m - 1) log log n is the leading part.

    settings  data_sets, smallest and largest (log2 n), seed, repeats (of the bootstrap)
    table     one row per model, code and n: mean redundancy with its standard error, its 5 % and
              95 % quantiles, and lambda log n - (m - 1) log log n
    """
    sizes = 2 ** np.arange(settings["smallest"], settings["largest"] + 1)
    rows: list[dict[str, Any]] = []
    found: dict[str, Measured] = {}
    excesses, krafts, least = [], [], []
    for name, model in MODELS.items():
        random = np.random.default_rng([settings["seed"], list(MODELS).index(name)])
        means = sample_means(settings["data_sets"], sizes, copies=model.copies, random=random)
        redundancy = {
            code: np.stack([of(model, n, mean) for n, mean in zip(sizes, means, strict=True)])
            for code, of in CODES.items()
        }
        rows += [
            row for code, values in redundancy.items() for row in _rows(name, code, sizes, values)
        ]
        found |= _slopes(name, sizes, redundancy, settings)
        two_part, large = redundancy["two_part"], sizes >= LARGE
        excesses.append((two_part - model.leading(sizes)[:, None])[large].max(initial=-np.inf))
        krafts += [_kraft(model, n) - 1 for n in sizes]
        least.append(two_part.mean(1).min())
    found["code_excess_max"] = exact(max(excesses), n=settings["data_sets"])
    found["code_kraft_excess_max"] = exact(max(krafts), n=len(krafts))
    found["code_redundancy_min"] = exact(min(least), n=settings["data_sets"])
    return pd.DataFrame(rows), found


def _kraft(model: Model, n: float) -> float:
    """Sum of exp(-length) of all codewords."""
    return float(np.exp(-codebook(model, n)[1]).sum() ** model.copies)


def _length_of_truth(model: Model, n: float) -> float:
    """-log of the exact prior mass of the cell at f = 0."""
    centres, lengths = codebook(model, n)
    return float(model.copies * lengths[centres == 0][0])


def _rows(name: str, code: str, sizes: Array, values: Array) -> list[dict[str, Any]]:
    model = MODELS[name]
    low, high = np.quantile(values, [0.05, 0.95], axis=1)
    return [
        {
            "model": name,
            "code": code,
            "n": int(n),
            "coefficient": float(model.coefficient.value),
            "multiplicity": model.coefficient.multiplicity,
            "leading": model.leading(n),
            "redundancy": values[place].mean(),
            "standard_error": values[place].std(ddof=1) / values.shape[1] ** 0.5,
            "low": low[place],
            "high": high[place],
        }
        for place, n in enumerate(sizes)
    ]


def fitted(columns: list[Array], values: Array) -> Array:
    """Coefficients of least squares of each data set on the columns and a constant.

    columns  (size,) each;  values (size, data set)
    returns  (column, data set), without the constant
    """
    design = np.stack([np.ones_like(columns[0]), *columns], axis=1)
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0][1:])


def _slopes(
    name: str, sizes: Array, redundancy: Mapping[str, Array], settings: Mapping[str, Any]
) -> dict[str, Measured]:
    model = MODELS[name]
    value, twice = float(model.coefficient.value), model.coefficient.multiplicity - 1
    log_n = np.log(sizes)
    log_log = np.log(log_n)

    def mean(per_data_set: Array) -> Measured:
        return bootstrap(
            lambda chosen: float(per_data_set[chosen].mean()),
            len(per_data_set),
            seed=settings["seed"],
            repeats=settings["repeats"],
        )

    found = {}
    for code, values in redundancy.items():
        corrected = values + twice * log_log[:, None]
        found[f"code_{code}_slope_{name}"] = mean(fitted([log_n], corrected)[0] / value - 1)
    above = redundancy["two_part"] - redundancy["mixture"]
    found[f"code_over_mixture_slope_{name}"] = mean(fitted([log_n], above)[0])
    shuffled = np.random.default_rng([settings["seed"], 1]).permuted(redundancy["two_part"], axis=0)
    found[f"code_shuffled_slope_{name}"] = mean(fitted([log_n], shuffled)[0] / value)
    truth = np.array([_length_of_truth(model, n) for n in sizes])
    found[f"code_exact_slope_{name}"] = mean(fitted([truth], redundancy["two_part"])[0] - 1)
    if twice:
        free = fitted([log_n, log_log], redundancy["two_part"])
        found[f"code_free_slope_{name}"] = mean(free[0] / value - 1)
        found[f"code_free_column_{name}"] = mean(free[1])
        without = fitted([log_n], redundancy["two_part"])[0] - value
        found[f"code_slope_without_column_{name}"] = mean(without)
    return found

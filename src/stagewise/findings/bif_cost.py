"""Part D of figure 10: what attribution costs as models grow, from a committed benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import Measured, bootstrap, rank_correlation
from stagewise.settings import build

COSTS = ("bif", "ekfac")


@dataclass(frozen=True)
class Settings:
    """What is fitted."""

    least: float
    """Parameters of the smallest model of the exponents: overheads dominate below."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Exponents of seconds in parameters, and how their ratio grows; rounds resampled.

    inputs   cost: benchmarks/influence_cost.csv, seconds of `bif`, and of `fit` and `score` of
             EK-FAC, by round and number of parameters
    returns  its rows, with ekfac = fit + score. Statistics:
               bif_exponent, ekfac_exponent  d log(seconds) / d log(parameters), of median seconds
               ratio_growth                  Spearman correlation of parameters and ekfac / bif
    """
    wanted = build(Settings, settings, "papers.bif.cost")
    (table,) = inputs["cost"]
    table = table.assign(ekfac=table.fit + table.score)
    rounds = {
        name: table.pivot_table(index="parameters", columns="repeat", values=name) for name in COSTS
    }
    parameters = rounds["bif"].index.to_numpy(dtype=float)
    large = parameters >= wanted.least

    def seconds(name: str, chosen: NDArray[Any]) -> NDArray[np.float64]:
        return np.median(rounds[name].to_numpy()[:, chosen], axis=1)

    def exponent(name: str, chosen: NDArray[Any]) -> float:
        logs = np.log(parameters[large]), np.log(seconds(name, chosen)[large])
        return float(np.polyfit(*logs, 1)[0])

    def growth(chosen: NDArray[Any]) -> float:
        return rank_correlation(parameters, seconds("ekfac", chosen) / seconds("bif", chosen))

    count = rounds["bif"].shape[1]
    statistics = {
        f"{name}_exponent": bootstrap(
            lambda chosen, name=name: exponent(name, chosen),  # type: ignore[misc]
            count,
            seed=0,
            repeats=wanted.bootstrap,
        )
        for name in COSTS
    }
    statistics["ratio_growth"] = bootstrap(growth, count, seed=0, repeats=wanted.bootstrap)
    return table, statistics

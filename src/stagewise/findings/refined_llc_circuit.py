"""Claim C6: estimates of pairs of heads against those of the two, and what reads from what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.language_heads import at_end, estimates, need_equal_settings
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    mean_of,
    not_stationary,
    rank_correlation,
    simulated,
)
from stagewise.settings import build

ESTIMATES = ("pairs", "heads")


@dataclass(frozen=True)
class Settings:
    """How uncertainty is found."""

    redrawn: int
    """Times that excesses are redrawn within their errors; permutations of the pairs."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Excess of the estimate of a head of each layer over the sum of theirs.

    On a quadratic the excess is negative, and to second order minus the squared Hessian between
    the heads (`theory.refined_llc.interaction`).

    inputs   of one seed: `pairs` and `heads`, draws with equal settings, and `behaviour`
    returns  one row per pair: first, second, estimate of the union, excess with its standard error,
             k_composition, v_composition, composition (the larger). Statistics:
               excess_composition, excess_k, excess_v   Spearman over pairs of the excess with them
               excess_size_composition   the same with |excess|
               excess_shuffled           95 % quantile of the first, pairs in random order (control)
               excess_share              mean of excess over the sum
    """
    wanted = build(Settings, settings, "papers.refined_llc.circuit")
    pairs, singles = (at_end(estimates(inputs[name][0])) for name in ("pairs", "heads"))
    need_equal_settings(pairs, singles)
    behaviour = inputs["behaviour"][0]
    scores = behaviour.iloc[int(behaviour["step"].to_numpy().argmax())]
    by_head = singles.set_index("head")
    rows = []
    for _, union in pairs.iterrows():
        first, second = str(union["head"]).split("+")
        alone = by_head.loc[[first, second]]
        k, v = (float(scores[f"{kind}_composition {first} {second}"]) for kind in ("k", "v"))
        variances = [union["standard_error"] ** 2, *alone["standard_error"] ** 2]
        rows.append(
            {
                "first": first,
                "second": second,
                "lambda_hat": union["lambda_hat"],
                "sum": alone["lambda_hat"].sum(),
                "excess": union["lambda_hat"] - alone["lambda_hat"].sum(),
                "standard_error": float(np.sqrt(sum(variances))),
                "k_composition": k,
                "v_composition": v,
                "composition": max(k, v),
            }
        )
    table = pd.DataFrame(rows)
    excess, errors = table["excess"].to_numpy(), table["standard_error"].to_numpy()
    random = np.random.default_rng(4)
    under = [
        rank_correlation(random.permutation(excess), table["composition"])
        for _ in range(wanted.redrawn)
    ]

    def against(column: str, *, size: bool = False) -> Measured:
        return simulated(
            lambda values: rank_correlation(abs(values) if size else values, table[column]),
            excess, errors, seed=0, repeats=wanted.redrawn,
        )  # fmt: skip

    found = {
        "excess_composition": against("composition"),
        "excess_k": against("k_composition"),
        "excess_v": against("v_composition"),
        "excess_size_composition": against("composition", size=True),
        "excess_shuffled": exact(float(np.quantile(under, 0.95)), len(table)),
        "excess_share": mean_of(excess / table["sum"]),
    }
    doubt = not_stationary(pd.concat([pairs, singles])["rhat"])
    return table, {name: doubtful(number, doubt) for name, number in found.items()}

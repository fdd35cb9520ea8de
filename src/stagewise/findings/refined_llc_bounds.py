"""What theory says of restricted estimates: bounds, monotonicity; and how they depend on n beta."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.language_heads import at_end, estimates, need_equal_settings
from stagewise.findings.measured import (
    Measured,
    doubtful,
    exact,
    not_stationary,
    rank_correlation,
)
from stagewise.theory.refined_llc import head_bound

STRENGTHS = {"weak": "heads_weak", "middle": "heads", "strong": "heads_strong"}
ESTIMATES = (*STRENGTHS.values(), "parts")


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Heads against their layer and all weights, and against the bound of their symmetries.

    inputs   per seed, at the last checkpoint: draws of the heads with three values of n beta
             (`heads_weak`, `heads`, `heads_strong`) and of `parts` (layers and all weights)
    returns  one row per seed, component and strength (weak, middle, strong): estimate, its bound
             (half the dimension; of heads less their exact symmetries), hessian_estimate (n beta
             Tr H / 2 gamma, what it would be if the tether alone held it). Statistics, all
             estimates less two standard errors of theirs or of the difference:
               over_layer, over_all, layer_over_all   largest of a head over its layer, and so on
               over_bound                             largest of estimate / bound
               order_weak, order_strong   Spearman over heads with the middle n beta, least of seeds
               saturation                 d log estimate / d log n beta from the middle to the
                                          larger, of the sum over heads: 0 saturated, 1 a trace
    """
    need_equal_settings(*inputs["heads"], *inputs["parts"])
    named = [("middle", "parts"), *STRENGTHS.items()]
    table = pd.concat(
        [
            at_end(pd.concat(map(estimates, inputs[name]))).assign(strength=strength)
            for strength, name in named
        ],
        ignore_index=True,
    )
    is_head = table["head"].str.contains(":")
    in_layer = table.loc[table["head"].str.startswith("0:"), "head"].nunique()
    table["bound"] = [
        _bound(dimension, in_layer if head else 0)
        for dimension, head in zip(table["dimension"], is_head, strict=True)
    ]
    table["hessian_estimate"] = table["nbeta"] * table["tether_rise"]
    middle = table[table["strength"] == "middle"]
    above: dict[str, list[float]] = {"over_layer": [], "over_all": [], "layer_over_all": []}
    for _, rows in middle.groupby("seed"):
        by_name = rows.set_index("head")[["lambda_hat", "standard_error"]].to_dict("index")
        for head, row in by_name.items():
            for name, whole in _larger(str(head)).items():
                other = by_name[whole]
                error = np.hypot(row["standard_error"], other["standard_error"])
                above[name].append(float(row["lambda_hat"] - other["lambda_hat"] - 2 * error))
    seeds = table["seed"].nunique()
    least = (table["lambda_hat"] - 2 * table["standard_error"]) / table["bound"]
    found = {name: exact(max(values), seeds) for name, values in above.items()}
    found["over_bound"] = exact(float(least.max()), seeds)
    found |= _orders(table[is_head])
    doubt = not_stationary(table["rhat"])
    return table, {name: doubtful(number, doubt) for name, number in found.items()}


def _bound(dimension: int, heads: int) -> float:
    """Half the dimension; of one of so many heads of a layer, less its exact symmetries."""
    if not heads:
        return dimension / 2
    size = round((dimension / (4 * heads)) ** 0.5)  # 4 width size weights, width = heads size
    return head_bound(heads * size, size)


def _larger(component: str) -> dict[str, str]:
    """Statistic -> component that holds this one."""
    if ":" in component:
        return {"over_layer": f"layer{component.split(':')[0]}", "over_all": "all"}
    return {} if component == "all" else {"layer_over_all": "all"}


def _orders(of_heads: pd.DataFrame) -> dict[str, Measured]:
    grids = {
        strength: of_heads[of_heads["strength"] == strength].pivot_table(
            index="seed", columns="head", values="lambda_hat"
        )
        for strength in STRENGTHS
    }
    seeds = len(grids["middle"])
    found = {}
    for strength in ("weak", "strong"):
        pairs = zip(grids["middle"].to_numpy(), grids[strength].to_numpy(), strict=True)
        least = min(rank_correlation(one, other) for one, other in pairs)
        found[f"order_{strength}"] = exact(least, seeds)
    sums = of_heads.groupby("strength")["lambda_hat"].sum()
    sizes = of_heads.groupby("strength")["nbeta"].first()
    rise = np.log(sums["strong"] / sums["middle"]) / np.log(sizes["strong"] / sizes["middle"])
    return found | {"saturation": exact(float(rise), seeds)}

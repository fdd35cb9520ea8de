"""Claim C3: estimates against how many patterns are stored, in a model and by a head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.language_heads import at_end, estimates, heads, need_equal_settings, scored
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

ESTIMATES = ("heads", "parts")
STORING = "storing head"
"""Component: the head without which rules are lost most."""


@dataclass(frozen=True)
class Settings:
    """When rules count as learned, and how uncertainty is found."""

    learned: float
    """Largest loss of rules' outcomes at the end, as a share of that at the first checkpoint."""
    redrawn: int
    """Times that estimates are redrawn within their errors; permutations of heads."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Models that differ in the number of rules of their language, and nothing else.

    inputs   per model, in the same order: `heads` and `parts` (draws of the heads, and of the
             layers and all weights, at the last checkpoint), `behaviour` and `ablations`
    returns  one row per model and component (a head, STORING, layer0, layer1, all): seed, rules,
             loss_triggered, stored (rules that a head stores), estimate. Statistics:
               dial_<component>         Spearman of the number of rules with the estimate's mean
                                        over seeds
               dial_<component>_change  that of the most rules less that of the fewest, in standard
                                        errors
                             components: head (STORING), layer0, layer1, all
               dial_trace               Spearman for the Hessian trace of the storing head
               within                   Spearman over the heads of a model of estimate and stored
                                        rules, mean over models
               within_trace             the same for the Hessian trace
               within_shuffled          its 95 % quantile with heads in random order (control)
               learned                  largest share of the loss of rules' outcomes that is left
    """
    wanted = build(Settings, settings, "papers.refined_llc.memory")
    need_equal_settings(*inputs["heads"], *inputs["parts"])
    of_heads = at_end_of_models(heads(inputs["heads"], scored(inputs)))
    whole = [
        at_end(estimates(one)).assign(model=model) for model, one in enumerate(inputs["parts"])
    ]
    main = of_heads.loc[of_heads.groupby("model")["ablation_triggered"].idxmax()]
    table = pd.concat([of_heads, main.assign(head=STORING), *whole], ignore_index=True)
    by_model = pd.DataFrame([_model(one) for one in inputs["behaviour"]])
    table = table.merge(by_model, left_on="model", right_index=True)
    left = float(by_model["left"].max())
    doubt = not_stationary(table["rhat"])
    if left > wanted.learned:
        doubt = f"the rules are not learned: a model keeps {left:.0%} of its first loss on them"
    found: dict[str, Measured] = {}
    for name, component in (
        ("head", STORING), ("layer0", "layer0"), ("layer1", "layer1"), ("all", "all")
    ):  # fmt: skip
        found |= _dial(f"dial_{name}", table[table["head"] == component], wanted)
    trace = table[table["head"] == STORING].groupby("rules")["hessian_trace"].mean()
    found["dial_trace"] = exact(rank_correlation(trace.index.to_numpy(), trace), len(by_model))
    found |= _within(of_heads, wanted)
    found = {name: doubtful(number, doubt) for name, number in found.items()}
    return table, found | {"learned": exact(left, len(by_model))}


def at_end_of_models(table: pd.DataFrame) -> pd.DataFrame:
    """The last checkpoint of each model."""
    return pd.concat([at_end(rows) for _, rows in table.groupby("model")], ignore_index=True)


def _model(behaviour: pd.DataFrame) -> dict[str, float]:
    path = behaviour.sort_values("step")["loss_triggered"].to_numpy()
    return {
        "rules": float(behaviour["rules"].iloc[-1]),
        "loss_triggered": float(path[-1]),
        "left": float(path[-1] / path[0]),
    }


def _dial(name: str, rows: pd.DataFrame, wanted: Settings) -> dict[str, Measured]:
    """Over the numbers of rules, of means over seeds."""
    groups = [group for _, group in rows.groupby("rules")]
    rules = np.array([group["rules"].iloc[0] for group in groups])
    means = np.array([group["lambda_hat"].mean() for group in groups])
    errors = np.array([_error(group) for group in groups])
    order = simulated(
        lambda values: rank_correlation(rules, values),
        means, errors, seed=0, repeats=wanted.redrawn,
    )  # fmt: skip
    apart = float(np.hypot(errors[0], errors[-1]))
    change = (means[-1] - means[0]) / apart if apart > 0 else float("nan")
    return {
        name: Measured(order.value, order.low, order.high, n=len(rows)),
        f"{name}_change": exact(float(change), len(rows)),
    }


def _error(group: pd.DataFrame) -> float:
    """Of a mean over seeds: the larger of what the seeds' scatter and the chains' say."""
    count = len(group)
    chains = float(np.sqrt(np.square(group["standard_error"]).sum()) / count)
    scatter = float(group["lambda_hat"].std() / count**0.5) if count > 1 else 0.0
    return max(chains, scatter)


def _within(of_heads: pd.DataFrame, wanted: Settings) -> dict[str, Measured]:
    models, random = [rows for _, rows in of_heads.groupby("model")], np.random.default_rng(3)

    def each(column: str, *, shuffled: bool = False) -> NDArray[np.float64]:
        stored = [rows["stored"].to_numpy() for rows in models]
        mixed = [random.permutation(one) if shuffled else one for one in stored]
        pairs = zip(models, mixed, strict=True)
        return np.array([rank_correlation(rows[column].to_numpy(), one) for rows, one in pairs])

    defined = np.isfinite(each("lambda_hat"))
    if not defined.any():
        nothing = doubtful(exact(float("nan")), "no model has heads that store different numbers")
        return dict.fromkeys(("within", "within_trace", "within_shuffled"), nothing)
    under = [each("lambda_hat", shuffled=True)[defined].mean() for _ in range(wanted.redrawn)]
    return {
        "within": mean_of(each("lambda_hat")[defined]),
        "within_trace": mean_of(each("hessian_trace")[defined]),
        "within_shuffled": exact(float(np.quantile(under, 0.95)), int(defined.sum())),
    }

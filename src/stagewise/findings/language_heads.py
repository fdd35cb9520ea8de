"""Heads of the language models, one row each: what they do, and their restricted estimates."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stagewise.estimators.head_types import behavioural_types
from stagewise.settings import SettingsError

OF_HEAD = re.compile(r"(\w+) (\d+:\d+)")
"""Columns of scores that are about one head."""
INCREASES = {
    "repeats": "ablation_repeated",
    "rules": "ablation_triggered",
    "markov": "ablation_markov",
    "brackets": "ablation_closing",
}
"""Source -> score: rise of the loss of its telling tokens when the head's output is its mean."""
SIMPLE = ("repeats", "brackets")
"""Types of heads that a short rule describes: copying and matching; the others store patterns."""
ESTIMATE = (
    "seed", "step", "head", "lambda_hat", "standard_error", "low", "high", "rhat", "dimension",
    "nbeta", "localization", "epsilon", "gradient_norm", "tether_rise", "tether_ratio",
)  # fmt: skip
"""Columns of an LLC table that are kept."""


def scored(inputs: Mapping[str, Sequence[pd.DataFrame]]) -> list[pd.DataFrame]:
    """The tables `behaviour` and `ablations` of the same runs, in the same order, as one of each
    run."""
    runs = zip(inputs["behaviour"], inputs["ablations"], strict=True)
    return [
        known.merge(
            lost[["seed", "step", *(name for name in lost.columns if name not in known.columns)]],
            on=["seed", "step"],
            validate="one_to_one",
        )
        for known, lost in runs
    ]


def head_scores(behaviour: pd.DataFrame) -> pd.DataFrame:
    """One row per checkpoint and head: seed, step, head, layer, its scores, and its type, which is
    that of the last checkpoint (`estimators.head_types`)."""
    parts: dict[str, dict[str, pd.Series]] = {}
    for column in map(str, behaviour.columns):
        if match := OF_HEAD.fullmatch(column):
            parts.setdefault(match[2], {})[match[1]] = behaviour[column]
    rows = [
        behaviour[["seed", "step"]].assign(head=head, layer=int(head.split(":")[0]), **scores)
        for head, scores in sorted(parts.items())
    ]
    found = pd.concat(rows, ignore_index=True)
    last = at_end(found)
    types = behavioural_types({name: last[score] for name, score in INCREASES.items()})
    return found.merge(last[["head"]].assign(type=types), on="head")


def at_end(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last checkpoint of each seed."""
    return table[table["step"] == table.groupby("seed")["step"].transform("max")].reset_index(
        drop=True
    )


def estimates(llc: pd.DataFrame) -> pd.DataFrame:
    """One row per checkpoint and component, `head`, with the component's Hessian trace."""
    found = llc.rename(columns={"component": "head"})[list(ESTIMATE)]
    return found.assign(hessian_trace=2 * found["localization"] * found["tether_rise"])


def heads(llc: Sequence[pd.DataFrame], behaviour: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One row per run, checkpoint and head: estimate, scores at that step, final type.

    llc, behaviour  tables of the same runs, in the same order, the latter with ablations (`scored`)
    returns         with `model`, the run's number
    """
    parts = []
    for model, (one, other) in enumerate(zip(llc, behaviour, strict=True)):
        both = estimates(one).merge(
            head_scores(other), on=["seed", "step", "head"], validate="one_to_one"
        )
        if len(both) < len(one):
            raise SettingsError(
                f"refined_llc: heads of seed {one['seed'].iloc[0]} were sampled at checkpoints "
                f"that their behaviour table does not have"
            )
        parts.append(both.assign(model=model))
    return pd.concat(parts, ignore_index=True)


def need_equal_settings(*tables: pd.DataFrame) -> None:
    """Raises SettingsError unless all were sampled with the same n beta, gamma and step size:
    estimates are far from their limit, and only then comparable."""
    whole = pd.concat(tables)
    for column in ("nbeta", "localization", "epsilon"):
        values = np.unique(whole[column].round(12))
        if len(values) > 1:
            raise SettingsError(
                f"refined_llc: restricted estimates are compared at equal settings only, and "
                f"{column} is {', '.join(f'{value:g}' for value in values)}"
            )

"""Claim C5: estimates of every head on one source of data alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.language_heads import INCREASES, at_end, heads, need_equal_settings, scored
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
from stagewise.theory.refined_llc import largest_drift

MIXTURE = "mixture"
ESTIMATES = ("mixture", *INCREASES)


@dataclass(frozen=True)
class Settings:
    """Which heads count as induction heads, and how uncertainty is found."""

    induction: float
    """Least prefix score of an induction head, as a share of the model's largest."""
    redrawn: int
    """Times that estimates are redrawn within their errors; permutations of the sources."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The restricted estimates at the end of training, refined to each source.

    inputs   per seed: `behaviour`, `ablations`, and draws of every head on `mixture`, `repeats`,
             `rules`, `markov` and `brackets`
    returns  one row per seed, head and distribution: estimate, gradient_norm and largest_drift (the
             first-order bound (n beta |g|)^2 / gamma), ratio to the mixture's estimate, increase of
             the source's loss under ablation, induction (whether it is such a head). Statistics:
               largest_on_repeats   share of seeds in which the largest estimate on repeats, of the
                                    last layer, is an induction head's
               specialisation       ratio of repeats to the mixture, induction heads' mean over the
                                    median of all heads, mean over seeds
               follows_ablation     Spearman over sources, of a head's estimates and of what
                                    ablating it costs there, mean over all heads and seeds
               follows_ablation_shuffled    its 95 % quantile with sources in random order (control)
               drift_share          median of largest_drift over |estimate|, sources alone: an
                                    estimate is a coefficient only where this is small
    """
    wanted = build(Settings, settings, "papers.refined_llc.data")
    scores = scored(inputs)
    parts = []
    for source in ESTIMATES:
        last = at_end(heads([at_end(one) for one in inputs[source]], scores))
        parts.append(last.assign(distribution=source))
    table = pd.concat(parts, ignore_index=True)
    need_equal_settings(table)
    table["largest_drift"] = largest_drift(
        table["gradient_norm"], n_beta=table["nbeta"], localization=table["localization"]
    )
    base = table[table["distribution"] == MIXTURE][["seed", "head", "lambda_hat"]]
    table = table.merge(base.rename(columns={"lambda_hat": "base"}), on=["seed", "head"])
    table["ratio"] = table["lambda_hat"] / table["base"]
    table["increase"] = np.nan
    for source, score in INCREASES.items():
        rows = table["distribution"] == source
        table.loc[rows, "increase"] = table.loc[rows, score]
    top = table[table["layer"] > 0].groupby("seed")["prefix"].max()
    share = table["prefix"] / table["seed"].map(top)
    table["induction"] = (table["layer"] > 0) & (share >= wanted.induction)
    repeats = [rows for _, rows in table[table["distribution"] == "repeats"].groupby("seed")]
    alone = table[table["distribution"] != MIXTURE]
    found = {
        "largest_on_repeats": _largest(repeats, wanted),
        "specialisation": mean_of([_specialisation(rows) for rows in repeats]),
        **_following(alone, wanted),
        "drift_share": exact(
            float((alone["largest_drift"] / alone["lambda_hat"].abs()).median()), len(repeats)
        ),
    }
    doubt = not_stationary(table["rhat"])
    return table, {name: doubtful(number, doubt) for name, number in found.items()}


def _specialisation(rows: pd.DataFrame) -> float:
    return float(rows.loc[rows["induction"], "ratio"].mean() / rows["ratio"].median())


def _largest(repeats: Sequence[pd.DataFrame], wanted: Settings) -> Measured:
    later = [rows[rows["layer"] == rows["layer"].max()] for rows in repeats]
    ends = np.cumsum([len(rows) for rows in later])[:-1]

    def share(flat: NDArray[np.float64]) -> float:
        pieces = zip(np.split(flat, ends), later, strict=True)
        return float(np.mean([rows["induction"].iloc[part.argmax()] for part, rows in pieces]))

    whole = pd.concat(later)
    number = simulated(
        share, whole["lambda_hat"], whole["standard_error"], seed=0, repeats=wanted.redrawn
    )
    return Measured(number.value, number.low, number.high, n=len(later))


def _following(alone: pd.DataFrame, wanted: Settings) -> dict[str, Measured]:
    """Each head's sources in the order of estimates and of ablation, and in random order."""
    keys, random = ["seed", "head"], np.random.default_rng(2)
    grids = [
        alone.pivot_table(index=keys, columns="distribution", values=column).to_numpy()
        for column in ("lambda_hat", "increase")
    ]

    def mean(first: NDArray[Any], second: NDArray[Any]) -> float:
        return float(np.mean([rank_correlation(*pair) for pair in zip(first, second, strict=True)]))

    seeds = alone[keys].drop_duplicates().sort_values(keys)["seed"].to_numpy()
    by_seed = [mean(grids[0][seeds == seed], grids[1][seeds == seed]) for seed in np.unique(seeds)]
    under = [mean(random.permuted(grids[0], axis=1), grids[1]) for _ in range(wanted.redrawn)]
    return {
        "follows_ablation": mean_of(by_seed),
        "follows_ablation_shuffled": exact(float(np.quantile(under, 0.95)), len(by_seed)),
    }

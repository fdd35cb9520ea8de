"""Claim C5: learning rate, batch size and momentum against the LLC, and what else explains it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from stagewise.engine.stationarity import STATIONARY_RHAT
from stagewise.estimators.llc import llc_table
from stagewise.findings.measured import (
    Measured,
    bootstrap,
    exact,
    mean_of,
    rank_correlation,
)
from stagewise.settings import SettingsError, build

LABELS = ("clean", "noisy")
STOPS = {"scheduled": "fixed", "passage": "passage", "target": "matched"}
"""Kind of checkpoint -> name of the stop in the statistics."""
SIGNS = {"learning_rate": -1, "batch": 1, "momentum": -1}
"""Sign of the correlation with the LLC that the paper finds."""
NEGATIVE_SHARE = 0.05
DESCENT_SHARE = 0.2

Statistic = Callable[[NDArray[Any]], float]
"""Of the places of the replicates, a model of a seed each, that count."""


@dataclass(frozen=True)
class Settings:
    """Which configurations make which sweep, by their place in the training."""

    learning_rate: list[int]
    batch: list[int]
    momentum: list[int]
    twins: list[int]
    """Two equal configurations: they differ in their batches only."""
    accuracy: float
    """Runs below this training accuracy do not count in the papers' own comparison."""
    repeats: int = 1000
    """Bootstrap samples of replicates; permutations."""

    def __post_init__(self) -> None:
        if len(self.twins) != 2:
            raise ValueError(f"twins: must be two configurations, got {self.twins}")


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The LLC and its rivals at every stop of every run, and the statistics of claim C5.

    inputs    per label condition (clean, noisy), one per seed: draws <labels>_sgld and
              <labels>_noiseless, and curvature tables <labels>_curvature
    returns   a table with one row per run and stop, in_<sweep> telling the sweeps it is in.
              Stops: fixed, after a fixed number of steps; passage, where the loss first meets a
              value above the target; matched, at the target, after descent on all data.
              Statistics <name>_<labels>_<stop>:
                <sweep>           Spearman of the swept setting with the LLC over runs
                <sweep>_trimmed   the same without the noisiest level, of sweeps of three or more
                <sweep>_effect    LLC of the noisiest level / of the least noisy - 1
                <sweep>_net_effect  the same of the LLC less what descent alone gives
                <sweep>_p         share of permutations within replicates that are as extreme
                <sweep>_permuted  mean Spearman under those permutations (control)
                twins             difference of equal configurations / their mean (control)
                loss, trace, norm, test_accuracy     Spearman of the LLC with it over runs
                negative, descent, gradient          the gates: share of negative estimates,
                              largest share of descent in an estimate, largest gradient norm
              and for the papers' comparison, fixed stop, clean labels, runs of at least
              `accuracy`: paper_learning_rate, paper_momentum (Spearman with the level means),
              paper_batch (p, smallest against largest batch, paired), paper_left_out (runs).
    Intervals resample replicates: models of all seeds, with own initial weights and batches.
    """
    wanted = build(Settings, settings, "papers.llc.heuristics")
    table = _table(inputs)
    for sweep in SIGNS:
        table[f"in_{sweep}"] = table["configuration"].isin(getattr(wanted, sweep))
    found: dict[str, Measured] = {}
    for labels in LABELS:
        for stop in STOPS.values():
            runs = table[(table["labels"] == labels) & (table["stop"] == stop)]
            named = _statistics(runs, wanted)
            found |= {f"{name}_{labels}_{stop}": number for name, number in named.items()}
    return table, found | _paper(table, wanted)


def _table(inputs: Mapping[str, list[Any]]) -> pd.DataFrame:
    keys = ["seed", "model", "configuration", "kind"]
    parts = []
    for labels in LABELS:

        def estimates(sampling: str, labels: str = labels) -> pd.DataFrame:
            return pd.concat(
                [llc_table(d).assign(seed=d.attrs["seed"]) for d in inputs[f"{labels}_{sampling}"]]
            )

        runs = estimates("sgld")
        descent = estimates("noiseless")[[*keys, "lambda_hat"]]
        curvature = pd.concat(inputs[f"{labels}_curvature"])
        curvature = curvature[[*keys, "trace", "trace_error", "top_eigenvalue"]]
        runs = runs.merge(descent.rename(columns={"lambda_hat": "descent"}), on=keys)
        parts.append(runs.merge(curvature, on=keys, validate="one_to_one").assign(labels=labels))
    table = pd.concat(parts, ignore_index=True)
    table["stop"] = table["kind"].map(STOPS)
    table["replicate"] = table.groupby(["seed", "model"]).ngroup()
    order = ["labels", "stop", "replicate", "seed", "model", "configuration"]
    columns = [
        *order,
        *("learning_rate", "batch", "momentum", "step", "descended"),
        *("loss", "train_accuracy", "test_accuracy", "norm", "lambda_hat", "standard_error"),
        *("descent", "gradient_norm", "trace", "trace_error", "top_eigenvalue"),
        *("distance", "rhat", "drift", "escaped"),
    ]
    return table[columns].sort_values(order, ignore_index=True)


def _grid(runs: pd.DataFrame, configurations: list[int], column: str) -> NDArray[Any]:
    """(replicate, configuration); not a number where a run has no such checkpoint."""
    grid = runs.pivot_table(index="replicate", columns="configuration", values=column)
    return grid.reindex(columns=configurations).to_numpy(dtype=float)


def _over_runs(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Spearman over runs of what each level has, or each run, (replicate, level), with `second`."""
    known = np.isfinite(second)
    return rank_correlation(np.broadcast_to(first, second.shape)[known], second[known])


def _correlation(first: NDArray[Any], second: NDArray[Any]) -> Statistic:
    """`_over_runs` as a function of the replicates (rows) that count."""
    return lambda replicates: _over_runs(
        first[replicates] if first.ndim == 2 else first, second[replicates]
    )


def _change(before: NDArray[Any], after: NDArray[Any]) -> Statistic:
    """Mean `after` / mean `before` - 1 as a function of the replicates that count."""
    return lambda replicates: float(
        np.nanmean(after[replicates]) / np.nanmean(before[replicates]) - 1
    )


def _of_means(levels: NDArray[Any], values: NDArray[Any]) -> Statistic:
    """Spearman of the level with the mean over replicates, of levels that have runs."""

    def statistic(replicates: NDArray[Any]) -> float:
        kept = np.isfinite(values[replicates]).any(0)
        return rank_correlation(levels[kept], np.nanmean(values[replicates][:, kept], axis=0))

    return statistic


def _levels(runs: pd.DataFrame, sweep: str, configurations: list[int]) -> NDArray[Any]:
    first = runs.drop_duplicates("configuration").set_index("configuration")
    missing = sorted(set(configurations) - set(first.index))
    if missing:
        raise SettingsError(
            f"papers.llc.heuristics.{sweep}: no run of configurations {missing} has this "
            f"checkpoint; give it more `target_steps`, or a target below the loss that training "
            f"starts from"
        )
    return first.loc[configurations, sweep].to_numpy(dtype=float)


def _statistics(runs: pd.DataFrame, wanted: Settings) -> dict[str, Measured]:
    """All statistics of one label condition and stop."""
    doubt = _doubt(runs)
    replicates = runs["replicate"].nunique()
    found: dict[str, Measured] = {}

    def resampled(statistic: Statistic) -> Measured:
        number = bootstrap(statistic, replicates, seed=0, repeats=wanted.repeats)
        return Measured(number.value, number.low, number.high, number.n, doubt)

    for sweep, sign in SIGNS.items():
        configurations = list(getattr(wanted, sweep))
        levels = _levels(runs, sweep, configurations)
        values = _grid(runs, configurations, "lambda_hat")
        noisiest = int(np.argmax(-sign * levels))
        calmest = int(np.argmin(-sign * levels))
        rest = np.arange(len(levels)) != noisiest
        found[sweep] = resampled(_correlation(levels, values))
        if rest.sum() > 1:
            found[f"{sweep}_trimmed"] = resampled(_correlation(levels[rest], values[:, rest]))
        found[f"{sweep}_effect"] = resampled(_change(values[:, calmest], values[:, noisiest]))
        net = values - _grid(runs, configurations, "descent")
        found[f"{sweep}_net_effect"] = resampled(_change(net[:, calmest], net[:, noisiest]))
        permuted = _permuted(levels, values, wanted.repeats)
        extreme = np.sum(sign * permuted >= sign * found[sweep].value)
        found[f"{sweep}_p"] = exact((1 + extreme) / (1 + len(permuted)), n=replicates)
        found[f"{sweep}_permuted"] = exact(permuted.mean(), n=replicates)
    twins = _grid(runs, wanted.twins, "lambda_hat")
    twins = twins[np.isfinite(twins).all(1)]
    found["twins"] = mean_of((twins[:, 1] - twins[:, 0]) / twins.mean())
    everything = sorted(set(runs["configuration"]) - {wanted.twins[1]})
    llc = _grid(runs, everything, "lambda_hat")
    for rival in ("loss", "trace", "norm", "test_accuracy"):
        other = _grid(runs, everything, rival)
        found[rival] = resampled(_correlation(other, llc))
    share = runs["descent"].abs() / runs["lambda_hat"].abs()
    found["negative"] = exact((runs["lambda_hat"] < 0).mean(), n=len(runs))
    found["descent"] = exact(share.max(), n=len(runs))
    found["gradient"] = exact(runs["gradient_norm"].max(), n=len(runs))
    return found


def _permuted(levels: NDArray[Any], values: NDArray[Any], repeats: int) -> NDArray[Any]:
    """Spearman over runs, the estimates of each replicate in random order, `repeats` times."""
    random = np.random.default_rng(1)
    return np.array([_over_runs(levels, random.permuted(values, axis=1)) for _ in range(repeats)])


def _doubt(runs: pd.DataFrame) -> str:
    """Why estimates of these runs must not decide a claim."""
    doubts = []
    negative = float((runs["lambda_hat"] < 0).mean())
    if negative > NEGATIVE_SHARE:
        doubts.append(f"{negative:.0%} of the estimates are negative")
    share = float((runs["descent"].abs() / runs["lambda_hat"].abs()).max())
    if share > DESCENT_SHARE:
        doubts.append(f"checkpoints are not minima: descent is up to {share:.0%} of an estimate")
    rhat = float(runs["rhat"].max())
    if rhat > STATIONARY_RHAT:
        doubts.append(f"chains are not stationary: split R-hat up to {rhat:.2f}")
    return "; ".join(doubts)


def _paper(table: pd.DataFrame, wanted: Settings) -> dict[str, Measured]:
    """The papers' own comparison: after a fixed number of steps, by level means."""
    runs = table[(table["labels"] == "clean") & (table["stop"] == "fixed")]
    trained = runs[runs["train_accuracy"] >= wanted.accuracy]
    replicates = sorted(runs["replicate"].unique())
    found = {"paper_left_out": exact(len(runs) - len(trained), n=len(runs))}
    for sweep in ("learning_rate", "momentum"):
        configurations = list(getattr(wanted, sweep))
        grid = trained.pivot_table(index="replicate", columns="configuration", values="lambda_hat")
        values = grid.reindex(index=replicates, columns=configurations).to_numpy(dtype=float)
        statistic = _of_means(_levels(runs, sweep, configurations), values)
        found[f"paper_{sweep}"] = exact(math.nan)
        if np.isfinite(values).any(0).sum() > 1:
            number = bootstrap(statistic, len(replicates), seed=0, repeats=wanted.repeats)
            found[f"paper_{sweep}"] = number
    levels = _levels(runs, "batch", wanted.batch)
    ends = [wanted.batch[int(levels.argmin())], wanted.batch[int(levels.argmax())]]
    pairs = _grid(trained, ends, "lambda_hat")
    pairs = pairs[np.isfinite(pairs).all(1)]
    test = ttest_rel(pairs[:, 0], pairs[:, 1], alternative="less")
    found["paper_batch"] = exact(float(test.pvalue), n=len(pairs))
    return found

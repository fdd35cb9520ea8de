"""Deep linear networks: estimates against exact coefficients, over more than a decade."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import (
    Measured,
    bootstrap,
    doubtful,
    not_stationary,
    rank_correlation,
    share_of,
)

ESTIMATES = ("generic", "gibbs", "balanced", "random_rank")
"""Inputs that are LLC tables of draws."""

COLUMNS = [
    "network",
    "widths",
    "layers",
    "rank",
    "dimension",
    "n",
    "nbeta",
    "aoyagi",
    "multiplicity",
    "half_jacobian_rank",
    "lambda_hat",
    "standard_error",
    "rhat",
    "ess_bulk",
]


def multiplicity_slope(networks: pd.DataFrame) -> float:
    """The estimated m - 1 of one network from its exact samples at several n.

    lambda - n beta E[K] = (m - 1)/log(n beta) + c (n beta)^(-1/L) + ...: a weighted least-squares
    fit of the two terms, the second being the effect of the tether, c >= 0.
    """
    weight = 1 / networks.standard_error.to_numpy()
    nbeta = networks.nbeta.to_numpy()
    terms = np.stack([1 / np.log(nbeta), nbeta ** (-1 / networks.layers.to_numpy())], axis=1)
    missing = (networks.aoyagi - networks.lambda_hat).to_numpy()
    both = np.linalg.lstsq(terms * weight[:, None], missing * weight, rcond=None)[0]
    if both[1] >= 0:
        return float(both[0])
    alone = np.linalg.lstsq(terms[:, :1] * weight[:, None], missing * weight, rcond=None)[0]
    return float(alone[0])


def _relative(part: pd.DataFrame, truth: str) -> NDArray[Any]:
    """Relative errors of the networks whose true coefficient is not zero."""
    kept = part[part[truth] > 0]
    return (kept.lambda_hat / kept[truth] - 1).to_numpy()


def _median_error(part: pd.DataFrame, truth: str, *, seed: int, quantile: float = 0.5) -> Measured:
    errors = np.abs(_relative(part, truth))
    found = bootstrap(
        lambda chosen: float(np.quantile(errors[chosen], quantile)), len(errors), seed=seed
    )
    return doubtful(found, not_stationary(part.rhat))


def _spearman(part: pd.DataFrame, truth: str, *, seed: int) -> Measured:
    values, exact = part.lambda_hat.to_numpy(), part[truth].to_numpy()
    found = bootstrap(
        lambda chosen: rank_correlation(values[chosen], exact[chosen]), len(values), seed=seed
    )
    return doubtful(found, not_stationary(part.rhat))


def _shortfall(part: pd.DataFrame, *, seed: int) -> Measured:
    """Median of 1 - lambda_hat / exact value at the same n, of chains stationary or not."""
    missing = (1 - part.lambda_hat / part.finite_n).to_numpy()
    return bootstrap(lambda chosen: float(np.median(missing[chosen])), len(missing), seed=seed)


def _slope(part: pd.DataFrame, truth: str, *, seed: int) -> Measured:
    values, exact = part.lambda_hat.to_numpy(), part[truth].to_numpy()

    def through_origin(chosen: NDArray[Any]) -> float:
        return float((values[chosen] * exact[chosen]).sum() / (exact[chosen] ** 2).sum())

    return doubtful(bootstrap(through_origin, len(values), seed=seed), not_stationary(part.rhat))


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C3 of Lau et al. (2308.12108 v2; Furman and Lau, 2402.03698).

    inputs    generic, balanced, random_rank (SGLD) and gibbs (exact): llc.csv tables
    table     one row per network, kind, sampler and n
    Intervals resample networks.
    """
    parts = {
        name: pd.concat(inputs[name], ignore_index=True).assign(kind=name)[["kind", *COLUMNS]]
        for name in ("generic", "gibbs", "balanced", "random_rank")
    }
    table = pd.concat(parts.values(), ignore_index=True)
    generic, random_rank = parts["generic"], parts["random_rank"]
    gibbs, balanced = parts["gibbs"], parts["balanced"]
    at = {n: gibbs[gibbs.n == n] for n in sorted(gibbs.n.unique())}
    largest, same = max(n for n in at if n <= 1e8), balanced.n.min()

    networks = [network for _, network in gibbs.groupby("network")]
    separated = [
        (multiplicity_slope(network) > 0.5) == (network.multiplicity.iloc[0] > 1)
        for network in networks
    ]

    same_n = balanced[balanced.n == same]
    exact_draws = gibbs[["network", "n", "lambda_hat"]].rename(columns={"lambda_hat": "finite_n"})
    beside = balanced.merge(exact_draws, on=["network", "n"])
    # C3c compares networks: how much closer is the estimate to Aoyagi's value than d/2 is?
    truth, dimension = random_rank.aoyagi.to_numpy(), random_rank.dimension.to_numpy()
    estimate = random_rank.lambda_hat.to_numpy()

    def closer(chosen: NDArray[Any]) -> float:
        far = np.abs(dimension[chosen] / 2 - truth[chosen]).mean()
        return float(far / np.abs(estimate[chosen] - truth[chosen]).mean())

    doubt = not_stationary(random_rank.rhat)
    return table, {
        "generic_slope": _slope(generic, "half_jacobian_rank", seed=0),
        "generic_error_median": _median_error(generic, "half_jacobian_rank", seed=1),
        "generic_error_p90": _median_error(generic, "half_jacobian_rank", seed=2, quantile=0.9),
        "generic_range": Measured(
            float(generic.half_jacobian_rank.max() / generic.half_jacobian_rank.min())
        ),
        "gibbs_error_median_1e6": _median_error(at.get(1e6, gibbs), "aoyagi", seed=3),
        "gibbs_error_median_1e8": _median_error(at[largest], "aoyagi", seed=4),
        "gibbs_spearman": _spearman(at[largest], "aoyagi", seed=5),
        "multiplicity_separated": share_of(sum(separated), len(separated)),
        "balanced_sgld_spearman": _spearman(same_n, "aoyagi", seed=6),
        "balanced_sgld_error_median": _median_error(beside[beside.n == same], "finite_n", seed=7),
        "balanced_sgld_shortfall_1e8": _shortfall(beside[beside.n == beside.n.max()], seed=10),
        "random_rank_spearman": _spearman(random_rank, "aoyagi", seed=8),
        "random_rank_spearman_nonzero": _spearman(
            random_rank[random_rank["rank"] > 0], "aoyagi", seed=11
        ),
        "random_rank_above": doubtful(
            share_of(int((estimate >= 0.93 * truth).sum()), len(truth)), doubt
        ),
        "random_rank_closer_than_half_dimension": doubtful(
            bootstrap(closer, len(truth), seed=9), doubt
        ),
    }

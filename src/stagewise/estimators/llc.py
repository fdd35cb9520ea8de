"""Local learning coefficient from recorded losses."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtrit

from stagewise.estimators.mirror import mirrored_excess_loss

ESCAPED_SHARE = 0.05


def chain_estimates(draws: xr.Dataset) -> xr.DataArray:
    """lambda-hat of each chain, dimensions (..., chain).

        lambda_hat = n beta mean over draws of [L(w_t) - L(w*)]

    Lau et al. 2023 (2308.12108), with both losses on the same data: a control variate, which
    removes the noise of L(w*) and, for minibatches, most of that of L(w_t). Draws with mirror
    images are averaged with them.
    """
    mirror = "mirror_excess_loss" in draws
    excess = mirrored_excess_loss(draws) if mirror else draws.excess_loss
    # a chain that diverged has no estimate, however many of its draws are finite
    return (excess.mean("draw", skipna=False) * draws.nbeta).rename("lambda_hat")


def escaped(draws: xr.Dataset, share: float = ESCAPED_SHARE) -> xr.DataArray:
    """Chains that left the basin of w*: more than `share` of the draws lie below L(w*)."""
    return ((draws.excess_loss < 0).mean("draw") > share).rename("escaped")


def local_learning_coefficient(
    draws: xr.Dataset, *, level: float = 0.9, drop_escaped: bool = False
) -> xr.Dataset:
    """lambda-hat with its uncertainty, reduced over chain and draw.

    lambda_hat     mean over chains of n beta (E[L] - L(w*))
    standard_error standard deviation over chains / sqrt(chains)
    low, high      Student interval of the mean over chains at `level`: chains are independent,
                   so it needs no estimate of the autocorrelation; not a number for one chain
    chains         chains used (after dropping escaped ones, if asked)
    escaped        chains of which more than 5 % of the draws lie below L(w*)

    Where a chain diverged there is no estimate: not a number.
    """
    estimates = chain_estimates(draws)
    left = escaped(draws)
    kept = estimates.where(~left) if drop_escaped else estimates
    chains = kept.count("chain")
    error = kept.std("chain", ddof=1) / np.sqrt(chains)
    quantile = xr.apply_ufunc(
        lambda count: stdtrit(np.maximum(count - 1, 1), (1 + level) / 2), chains
    )
    mean = kept.mean("chain").where(estimates.notnull().all("chain"))  # noqa: PD004
    return xr.Dataset(
        {
            "lambda_hat": mean,
            "standard_error": error,
            "low": mean - quantile * error,
            "high": mean + quantile * error,
            "chains": chains,
            "escaped": left.sum("chain"),
        }
    )


def llc_table(draws: xr.Dataset, *, level: float = 0.9) -> pd.DataFrame:
    """One row per checkpoint and n (and step size, where there are several): the index columns,
    lambda-hat with its interval with and without escaped chains, and the diagnostics."""
    everything = local_learning_coefficient(draws, level=level)
    stayed = local_learning_coefficient(draws, level=level, drop_escaped=True)
    names = ["lambda_hat", "standard_error", "low", "high", "chains"]
    columns = everything.merge(stayed[names].rename({name: f"{name}_stayed" for name in names}))
    order = [str(dim) for dim in draws.excess_loss.dims if dim not in ("chain", "draw")]
    diagnostics = [
        name for name, variable in draws.data_vars.items() if set(variable.dims) <= set(order)
    ]
    columns = columns.assign({name: draws[name] for name in diagnostics})
    columns["acceptance"] = draws.acceptance.mean("chain")
    columns["distance"] = draws.distance.mean(["chain", "draw"])
    return columns.to_dataframe(dim_order=order).reset_index()

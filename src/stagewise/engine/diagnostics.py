"""Are the chains stationary, and how many independent draws are they worth?"""

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

STATIONARY_RHAT = 1.1
STATIONARY_DRIFT = 4.0


def diagnose(trace: xr.DataArray) -> xr.Dataset:
    """Convergence of a recorded scalar, dimensions (..., chain, draw), reduced over the last two.

    rhat         split R-hat (Vehtari et al. 2021), 1 when chains agree
    ess_bulk     bulk effective sample size over all chains
    ess_tail     tail effective sample size (10 % and 90 % quantiles)
    drift        mean over chains of second half minus first half, in its standard errors
    A trace of one chain has no between-chain standard error: its drift is not a number.
    """
    lead = [dim for dim in trace.dims if dim not in ("chain", "draw")]
    values = trace.transpose(*lead, "chain", "draw").values
    axes = {"chain_axis": values.ndim - 2, "draw_axis": values.ndim - 1}
    half = values.shape[-1] // 2
    change = values[..., half:].mean(-1) - values[..., :half].mean(-1)
    chains = values.shape[-2]
    with np.errstate(divide="ignore", invalid="ignore"):
        drift = (
            change.mean(-1) / (change.std(-1, ddof=1) / chains**0.5)
            if chains > 1
            else np.full(values.shape[:-2], np.nan)
        )
    found = {
        "rhat": array_stats.rhat(values, method="split", **axes),
        "ess_bulk": array_stats.ess(values, method="bulk", **axes),
        "ess_tail": array_stats.ess(values, method="tail", prob=(0.1, 0.9), **axes),
        "drift": drift,
    }
    return xr.Dataset({name: (lead, np.asarray(value)) for name, value in found.items()})

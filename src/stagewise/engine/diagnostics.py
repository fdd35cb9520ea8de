"""Are the chains stationary, and how many independent draws are they worth?"""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from stagewise.engine.stationarity import stationary

FEWEST = 4
"""Draws that each chain needs for an R-hat: two for each of its halves."""


def diagnose(trace: xr.DataArray) -> xr.Dataset:
    """Convergence of a recorded scalar, dimensions (..., chain, draw), reduced over the last two.

    rhat         split R-hat (Vehtari et al. 2021), 1 when chains agree
    ess_bulk     bulk effective sample size over all chains
    ess_tail     tail effective sample size (10 % and 90 % quantiles)
    drift        mean over chains of second half minus first half, in its standard errors: Student's
                 t of the chains, as the normal deviate of the same tail probability, so that one
                 threshold serves any number of chains (two stationary chains often have |t| > 4)
    stationary   whether rhat and drift are within bounds (`stationarity`)

    A trace of one chain has no between-chain standard error: its drift is not a number. Nor are
    R-hat and sample sizes of traces of fewer than FEWEST draws.
    """
    lead = [dim for dim in trace.dims if dim not in ("chain", "draw")]
    values = trace.transpose(*lead, "chain", "draw").values
    axes = {"chain_axis": values.ndim - 2, "draw_axis": values.ndim - 1}
    none = np.full(values.shape[:-2], np.nan)
    found = {"rhat": none, "ess_bulk": none, "ess_tail": none}
    # constant traces have no variance to divide by: not a number, and no warning
    with np.errstate(divide="ignore", invalid="ignore"):
        if values.shape[-1] >= FEWEST:
            from arviz_stats.base import array_stats  # here: it takes a second to import

            found = {
                "rhat": array_stats.rhat(values, method="split", **axes),
                "ess_bulk": array_stats.ess(values, method="bulk", **axes),
                "ess_tail": array_stats.ess(values, method="tail", prob=(0.1, 0.9), **axes),
            }
        found["drift"] = _drift(values)
    diagnostics = xr.Dataset({name: (lead, np.asarray(value)) for name, value in found.items()})
    return diagnostics.assign(stationary=stationary(diagnostics))


def _drift(values: NDArray[Any]) -> NDArray[Any]:
    """(..., chain, draw) -> (...)"""
    chains, draws = values.shape[-2:]
    if chains < 2 or draws < 2:
        return np.full(values.shape[:-2], np.nan)
    half = draws // 2
    change = values[..., half:].mean(-1) - values[..., :half].mean(-1)
    t = change.mean(-1) / (change.std(-1, ddof=1) / chains**0.5)
    return np.sign(t) * -ndtri(stdtr(chains - 1, -np.abs(t)))

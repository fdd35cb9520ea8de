"""When chains count as stationary."""

import numpy as np
import xarray as xr

STATIONARY_RHAT = 1.1
"""Chains whose split R-hat exceeds this are not taken for stationary."""
STATIONARY_DRIFT = 5.0
"""Nor are those whose mean moved by more of its standard errors, as a normal deviate, between the
two halves. A stationary set of chains does so once in two million."""


def stationary(diagnostics: xr.Dataset) -> xr.DataArray:
    """Whether rhat and drift are within bounds; chains without an R-hat (not finite, constant, or
    of fewer than four draws) are not shown to be. A single chain has no drift and may be."""
    drift = np.abs(diagnostics.drift).fillna(0)
    return (diagnostics.rhat <= STATIONARY_RHAT) & (drift <= STATIONARY_DRIFT)

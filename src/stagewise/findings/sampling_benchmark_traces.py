"""Traces of a few samplers on one network, for the eye: has the chain levelled off?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stagewise.findings.measured import Measured

SAMPLERS = ("sgld", "sghmc", "rmsprop")
NETWORK = 0
POINTS = 100
"""Bins of a trace."""


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """n beta (L - L*) along the chains of the first network, without rescaling; no claim.

    inputs    draws of each sampler with several step sizes, and of `gibbs`
    table     one row per sampler, step size and bin of draws: draw (the bin's first step), value
              (mean over chains and the bin), reference (the mean of exact draws)
    """
    reference = _of_network(inputs["gibbs"][0])
    exact = float((reference.excess_loss.mean() * reference.nbeta).squeeze())
    rows = []
    for sampler in SAMPLERS:
        draws = _of_network(inputs[sampler][0])
        values = (draws.excess_loss * draws.nbeta).isel(n=0).mean("chain")
        for size in values.step_size.values:
            trace = values.sel(step_size=size)
            for places in np.array_split(np.arange(trace.sizes["draw"]), POINTS):
                if len(places):
                    rows.append(
                        {
                            "sampler": sampler,
                            "step_size": float(size),
                            "draw": int(trace.draw[places[0]]),
                            "value": float(trace.isel(draw=places).mean()),
                            "reference": exact,
                        }
                    )
    return pd.DataFrame(rows), {}


def _of_network(draws: xr.Dataset) -> xr.Dataset:
    chosen = (draws.network == NETWORK) & (draws.rescaling == 1)
    return draws.isel(checkpoint=int(np.flatnonzero(chosen.values)[0]))

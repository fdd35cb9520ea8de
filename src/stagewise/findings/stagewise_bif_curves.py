"""Influence along the training of a run, from its draws: what several parts start from."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.influence import covariance

Array = NDArray[np.float64]


class Curves(NamedTuple):
    """Covariances of the items' losses at every checkpoint of one run."""

    seed: int
    times: Array
    """(checkpoint,), step times learning rate"""
    value: Array
    """(checkpoint, item, item)"""
    error: Array
    """Standard error over chains."""


def curves(draws: xr.Dataset, *, permuted: bool = False) -> Curves:
    """From draws with the observable `items`. `permuted`, a control: the draws of every item in an
    order of its own."""
    losses = draws["items_loss"].isel(n=0).values
    if permuted:
        random = np.random.default_rng(0)
        losses = random.permuted(losses, axis=2)
    found = [covariance(of_checkpoint) for of_checkpoint in losses]
    return Curves(
        int(draws.attrs["seed"]),
        times_of(draws),
        np.stack([estimate.value for estimate in found]),
        np.stack([estimate.error for estimate in found]),
    )


def denser(found: Curves, more: Curves) -> Curves:
    """The same curves, with those checkpoints replaced that `more` has from more draws."""
    value, error = found.value.copy(), found.error.copy()
    for place, time in enumerate(more.times):
        at = int(np.abs(found.times - time).argmin())
        value[at], error[at] = more.value[place], more.error[place]
    return found._replace(value=value, error=error)


def times_of(points: xr.Dataset | pd.DataFrame) -> Array:
    """Step times learning rate, (checkpoint,), of draws or of the index of a trajectory."""
    steps, rates = (
        np.asarray(points[name], dtype=np.float64) for name in ("step", "learning_rate")
    )
    return steps * rates

"""Susceptibilities of the bilinear language, from coupled chains, with the truth's own weights."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.sampling import ALL
from stagewise.settings import SettingsError, build
from stagewise.testbeds import bilinear_language

Array = NDArray[np.float64]
KINDS = ("restricted", "two_chain")


class Sampled(NamedTuple):
    """Means of one seed for each antithetic pair of chains."""

    losses: Array
    """(pair, component, n beta, context, token) E[l_xy - L], nats"""
    rises: Array
    """(pair, component, n beta) E[L] - L(w*)"""
    nbeta: Array
    """(n beta,) two of them"""
    restrictions: list[str]
    """Components but ALL, which is the last."""
    truth: Array
    """q(y|x) (context, token)"""


def sampled(draws: xr.Dataset, model: dict[str, Any]) -> Sampled:
    """What coupled chains of the testbed with these settings give; SettingsError of other draws."""
    names = [str(name) for name in draws.component.values]
    if names[-1] != ALL or draws.sizes["n"] != 2 or "coupled" not in draws:
        raise SettingsError(
            f"papers.spectroscopy.modes: needs draws of coupled chains at two n, whose last "
            f"component is {ALL}"
        )
    truth = bilinear_language.truth(
        build(bilinear_language.Model, model, "bilinear_language.model"), draws.attrs["seed"]
    )
    losses = (
        draws["pairs_loss_mean"]
        .isel(checkpoint=0)
        .transpose("chain", "component", "n", "pairs_sample", "pairs_token")
        .values.astype(float)
    )
    losses = losses.reshape(-1, 2, *losses.shape[1:]).mean(1)
    centre = draws["pairs_loss_at_centre"].values[0].astype(float)
    totals = (truth * losses).sum((-2, -1)) / len(truth)
    return Sampled(
        losses - totals[..., None, None],
        totals - (truth * centre).sum() / len(truth),
        draws.nbeta.values.astype(float),
        names[:-1],
        truth,
    )


def susceptibilities(found: Sampled, kind: str, some: NDArray[Any]) -> Array:
    """(component, context, token) from some pairs of chains."""
    means = found.losses[some].mean(0)
    slope: Array = (means[:-1, 1] - means[:-1, 0]) / (found.nbeta[1] - found.nbeta[0])
    if kind == "restricted":
        return slope
    rises = found.rises[some].mean((0, 2))[:-1, None, None]
    return slope + rises * (means[-1] - means[:-1]).mean(1)

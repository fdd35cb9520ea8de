"""Mirror averaging: a draw and its mirror image at w*, each with its probability."""

import numpy as np
import xarray as xr


def image_weights(draws: xr.Dataset) -> xr.DataArray:
    """Probabilities of each draw and of its mirror image, dimensions (..., chain, draw, image).

        p(-delta) / [p(delta) + p(-delta)] = 1 / (1 + exp(n beta [L(w* - delta) - L(w* + delta)]))

    If delta = w - w* has the local posterior's law, so has the one picked among delta and -delta
    with these probabilities (the tether cancels); averages over both are therefore exact, and all
    noise that is odd in delta is gone from them. Needs losses on all data. Draws sampled with
    `mirror: true`.
    """
    apart = draws.nbeta * (draws.mirror_excess_loss - draws.excess_loss)
    # in the form that cannot overflow
    image = 0.5 * (1 - np.tanh(apart / 2))
    return xr.concat([1 - image, image], dim=xr.IndexVariable("image", ["draw", "mirror"]))


def mirrored(draws: xr.Dataset, name: str) -> xr.DataArray:
    """The losses of an observable, each averaged with its mirror image, (..., NAME_draw, ...)."""
    steps = draws[f"{name}_draw"]
    weights = image_weights(draws).sel(draw=steps.values).rename(draw=f"{name}_draw")
    return (draws[f"{name}_loss"] * weights).sum("image")


def mirrored_excess_loss(draws: xr.Dataset) -> xr.DataArray:
    """L(w_t) - L(w*), averaged with its mirror image."""
    weights = image_weights(draws)
    own, image = weights.sel(image="draw", drop=True), weights.sel(image="mirror", drop=True)
    return own * draws.excess_loss + image * draws.mirror_excess_loss

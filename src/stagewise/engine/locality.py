"""Did the chains see the landscape around w*, or only the tether?

A sampler can look perfectly stationary because the tether alone holds it, or because it has left
the model's neighbourhood altogether. Three numbers tell; each costs next to nothing.
"""

import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.posteriors import Posteriors
from stagewise.engine.program import Program
from stagewise.seeds import generator

PAIRS, SAMPLES = 8, 512
"""Pairs of draws from the tether, and the most data their losses are taken on."""
BATCHES = 2
"""Where chains see batches, the most data in units of those: a gate must cost little."""


def tether_rise(found: Posteriors, *, seed: int, own: bool = False) -> Tensor:
    """Mean of L(w) - L(w*) under the tether alone, w ~ N(w*, 1 / gamma), (checkpoint, component).

    From PAIRS pairs w* +- delta, so that the gradient at w* adds no noise, on a few data evenly
    apart. To second order Tr H / (2 gamma). Not a number without a tether. With `own` by our own
    kernels, one checkpoint after another.
    """
    testbed, points, gamma = found.testbed, found.points, found.sampling.localization
    if gamma == 0:
        return torch.full_like(found.curvature, torch.nan)
    whole = testbed.reported
    samples = len(next(iter(whole.values()))) if whole else 0
    most = min(SAMPLES, BATCHES * (found.sampling.batch or SAMPLES))
    every = max(1, samples // most)
    data = {name: tensor[::every] for name, tensor in whole.items()}
    losses = testbed.whole_losses if every == 1 else testbed.losses
    program = Program(losses, found.shapes, points.constants, rows=len(points), alone=own, own=own)
    centres, stream = found.centres, generator(seed, "tether")
    at_centre = program.loss(centres, data)
    rise = torch.zeros_like(found.curvature)
    for _ in range(PAIRS):
        noise = torch.randn(centres.shape[1], generator=stream, dtype=centres.dtype)
        for component, mask in enumerate(found.mask.unbind(1)):
            apart = noise.to(centres.device) * mask / gamma**0.5
            for position in (centres + apart, centres - apart):
                rise[:, component] += (program.loss(position, data) - at_centre) / (2 * PAIRS)
    return rise


def locality(draws: xr.Dataset) -> xr.Dataset:
    """Three gates, reduced over chain and draw.

    loss_rise     mean of L(w_t) - L(w*), nats: near the loss of an ignorant model less L(w*), the
                  chains have forgotten what was learned
    tether_share  mean of |w_t - w*|^2 over d / gamma, what the tether alone would give: near 1 for
                  almost all directions nothing but the tether was felt. 0 without a tether
    tether_ratio  loss_rise over tether_rise, its value under the tether alone: near 1 lambda-hat is
                  n beta Tr H / (2 gamma), a Hessian trace, and says no more
    """
    rise = draws.excess_loss.mean(["chain", "draw"])
    spread = (draws.distance.astype("float64") ** 2).mean(["chain", "draw"])
    return xr.Dataset(
        {
            "loss_rise": rise,
            "tether_share": spread * draws.localization / draws.dimension,
            "tether_ratio": rise / draws.tether_rise,
        }
    )

"""Did the chains see the landscape around w*, or only the tether?

A sampler can look perfectly stationary because the tether alone holds it, or because it has left
the model's neighbourhood altogether. Three numbers tell; each costs next to nothing.
"""

import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.curvature import hessian_trace
from stagewise.engine.posteriors import Posteriors
from stagewise.engine.program import Program
from stagewise.seeds import generator

PROBES, SAMPLES = 8, 512
"""Sign vectors of the Hessian trace, and the most data it is taken on."""


def traces_at_centres(found: Posteriors, *, seed: int) -> Tensor:
    """Hessian trace of the mean loss over each component's coordinates, (checkpoint, component).

    By Hutchinson's estimate with PROBES sign vectors, on at most SAMPLES data evenly apart.
    """
    testbed, points = found.testbed, found.points
    every = max(1, (testbed.samples or 0) // SAMPLES)
    data = {name: tensor[::every] for name, tensor in testbed.data.items()}
    losses = testbed.whole_losses if every == 1 else testbed.losses
    program = Program(losses, found.shapes, points.constants, rows=len(points))
    traces = [
        hessian_trace(
            program, found.centres, data, mask, stream=generator(seed, "trace"), probes=PROBES
        )[0]
        for mask in found.mask.unbind(1)
    ]
    return torch.stack(traces, dim=1)


def locality(draws: xr.Dataset) -> xr.Dataset:
    """Three gates, reduced over chain and draw.

    loss_rise     mean of L(w_t) - L(w*), nats: near the loss of an ignorant model less L(w*), the
                  chains have forgotten what was learned
    tether_share  mean of |w_t - w*|^2 over d / gamma, what the tether alone would give: near 1 for
                  almost all directions nothing but the tether was felt. 0 without a tether
    trace_ratio   lambda-hat over n beta Tr H / (2 gamma), what it is where the tether outweighs
                  the curvature: near 1 it is a Hessian trace, and says no more. 0 without a tether
    """
    rise = draws.excess_loss.mean(["chain", "draw"])
    spread = (draws.distance.astype("float64") ** 2).mean(["chain", "draw"])
    # nbeta cancels: (nbeta rise) / (nbeta trace / 2 gamma)
    ratio = 2 * draws.localization * rise / draws.hessian_trace
    return xr.Dataset(
        {
            "loss_rise": rise,
            "tether_share": spread * draws.localization / draws.dimension,
            "trace_ratio": ratio,
        }
    )

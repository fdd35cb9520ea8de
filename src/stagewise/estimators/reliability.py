"""How far the chains of a draws file can be relied on, in one line."""

import numpy as np
import xarray as xr


def reliability(draws: xr.Dataset) -> dict[str, float]:
    """The worst and the typical of every posterior that was sampled (checkpoints, components, n).

    posteriors, chains, draws  how many, chains and draws of each posterior
    stationary                 share of the posteriors whose chains are
    rhat, ess_bulk, drift      largest split R-hat, least bulk effective sample size of all chains
                               together, largest drift between halves (normal deviates)
    acceptance                 least of any chain; 1 for samplers that always accept
    loss_rise                  largest mean of L(w) - L(w*), nats
    tether_share, tether_ratio medians: shares of what the tether alone gives, near 1 the estimate
                               is a Hessian trace in disguise
    """
    lead = [dim for dim in draws.excess_loss.dims if dim not in ("chain", "draw")]
    return {
        "posteriors": int(np.prod([draws.sizes[dim] for dim in lead])),
        "chains": draws.sizes["chain"],
        "draws": draws.sizes["draw"],
        "stationary": float(draws.stationary.mean()),
        "rhat": float(draws.rhat.max()),
        "ess_bulk": float(draws.ess_bulk.min()),
        "drift": float(np.abs(draws.drift).max()),
        "acceptance": float(draws.acceptance.min()),
        "loss_rise": float(draws.loss_rise.max()),
        "tether_share": float(draws.tether_share.median()),
        "tether_ratio": float(np.abs(draws.tether_ratio).median()),
    }

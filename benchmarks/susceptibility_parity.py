"""The same draws through both estimators of susceptibilities, ours and devinterp's."""

import numpy as np
import xarray as xr
from devinterp.slt.susceptibilities import compute_susceptibilities

from stagewise.estimators.susceptibilities import FULL, susceptibilities

HEADS = ("0:0", "0:1", "1:0", "1:1")
CHAINS, NBETA = 4, 30.0


def traces(draws=200, sequences=20, tokens=32):
    """Losses (component, chain, draw, sequence, token) and at w*, double precision."""
    random = np.random.default_rng(0)
    shape = (len(HEADS) + 1, CHAINS, draws, sequences, tokens)
    at_centre = random.exponential(size=shape[3:])
    common = random.standard_normal((*shape[:3], 1, 1)) * random.random(shape[3:])
    found = at_centre + 0.1 * common**2 + 0.05 * random.standard_normal(shape)
    return found, at_centre


def ours_of(found, at_centre):
    """Our estimates from the draws: variables over (component, half, sample, token)."""
    draws = xr.Dataset(
        {
            "probes_loss": (
                ("component", "n", "chain", "probes_draw", "probes_sample", "probes_token"),
                found[:, None],
            ),
            "probes_loss_at_centre": (("probes_sample", "probes_token"), at_centre),
            "nbeta": ("n", [NBETA]),
        },
        coords={"component": [*HEADS, FULL]},
    )
    return susceptibilities(draws, "probes")


def theirs_of(found, at_centre, full):
    """Their estimates (head, sample, token) from the draws of all heads and of `full`."""

    def tree(losses):
        chains, _, sequences, tokens = losses.shape
        ids = np.zeros((sequences, tokens + 1), dtype=np.int64)
        return xr.DataTree(
            xr.Dataset(
                {
                    "loss_probes": (("chain", "draw", "batch_probes", "token_pos"), losses),
                    "init_loss": (("chain", "of_mean"), np.full((chains, 1), at_centre.mean())),
                    "input_ids_probes": (("batch_probes", "token"), ids),
                }
            )
        )

    trees = {"full": tree(full), **{h: tree(x) for h, x in zip(HEADS, found, strict=True)}}
    result = compute_susceptibilities(trees, "probes", include_sampling_task=True)
    return result["susceptibilities"]["sus"].values.T.reshape(len(HEADS), *at_centre.shape)


def largest_differences():
    """Form -> largest difference of any token and head, over the deviation of all."""
    found, at_centre = traces()
    mine = ours_of(found, at_centre)
    apart = {"two_chain": 0.0, "restricted": 0.0}
    for half in range(2):
        part = found[:, 2 * half : 2 * half + 2]
        theirs = {
            "two_chain": theirs_of(part[:-1], at_centre, part[-1]),
            "restricted": np.concatenate(
                [
                    theirs_of(part[:-1], at_centre, head)[[place]]
                    for place, head in enumerate(part[:-1])
                ]
            ),
        }
        for name, other in theirs.items():
            own = mine[name].sel(half=half).transpose("component", "sample", "token").values
            difference = np.abs(own - other).max() / other.std()
            apart[name] = max(apart[name], float(difference))
    return apart

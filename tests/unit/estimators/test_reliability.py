"""One line about all chains of a draws file."""

import numpy as np
import xarray as xr

from stagewise.estimators.reliability import reliability


def test_the_worst_posterior_and_the_median_gate() -> None:
    each = ("checkpoint", "n")
    draws = xr.Dataset(
        {
            "excess_loss": ((*each, "chain", "draw"), np.zeros((3, 1, 2, 5))),
            "acceptance": ((*each, "chain"), [[[1, 0.9]], [[0.5, 1]], [[1, 1]]]),
            "stationary": (each, [[True], [True], [False]]),
            "rhat": (each, [[1.0], [np.nan], [1.3]]),
            "ess_bulk": (each, [[9.0], [7.0], [np.nan]]),
            "drift": (each, [[1.0], [-4.0], [2.0]]),
            "loss_rise": (each, [[0.1], [-0.5], [0.2]]),
            "tether_share": (each, [[0.1], [0.2], [0.9]]),
            "tether_ratio": (each, [[-3.0], [1.0], [2.0]]),
        }
    )
    assert reliability(draws) == {
        "posteriors": 3,
        "chains": 2,
        "draws": 5,
        "stationary": 2 / 3,
        "rhat": 1.3,
        "ess_bulk": 7.0,
        "drift": 4.0,
        "acceptance": 0.5,
        "loss_rise": 0.2,
        "tether_share": 0.2,
        "tether_ratio": 2.0,
    }

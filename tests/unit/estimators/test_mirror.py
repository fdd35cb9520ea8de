"""Mirror averaging: the same expectation, without the odd noise."""

from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.integrate import quad

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.estimators.llc import chain_estimates
from stagewise.estimators.mirror import image_weights, mirrored
from stagewise.progress import silent
from stagewise.samplers import mala
from stagewise.testbeds.testbed import Observable, Points, Testbed

NBETA, GAMMA = 20.0, 4.0


def potential(w: Any) -> Any:
    """Lopsided: its mirror image is another potential."""
    return w**2 / 2 + w**3 / 3 + w**4 / 2


def sampled() -> xr.Dataset:
    def losses(w: Any, constants: Any, batch: Any) -> torch.Tensor:
        return potential(w["w"])[None]

    def slope(w: Any, constants: Any, batch: Any) -> torch.Tensor:
        return batch["a"] * w["w"] + potential(w["w"])

    points = Points({"w": torch.zeros(1).double()}, pd.DataFrame({"step": [0]}))
    probe = Observable(slope, {"a": torch.tensor([0.3, -1.0], dtype=torch.float64)})
    testbed = Testbed("lopsided", losses, points=lambda: points, observables={"probe": probe})
    sampling = Sampling(
        kernel="mala",
        n=[1000.0],
        beta=NBETA / 1000,
        localization=GAMMA,
        epsilon=1.0,
        epsilon_unit="curvature",
        steps=3000,
        burn_in=200,
        chains=200,
        observables={"probe": Observation(every=2)},
        mirror=True,
    )
    return sample(testbed, points, mala, sampling, seed=1, report=silent)


def exact(value: Any) -> float:
    def weight(w: float) -> float:
        return float(np.exp(-NBETA * potential(w) - GAMMA * w**2 / 2))

    return quad(lambda w: value(w) * weight(w), -3, 3)[0] / quad(weight, -3, 3)[0]


def test_expectations_and_their_noise() -> None:
    """Means over 200 chains within four standard errors of quadrature; the variance of an odd
    observable at least three times smaller than without images."""
    draws = sampled()
    assert np.allclose(image_weights(draws).sum("image"), 1)
    whole = mirrored(draws, "probe").mean("probe_draw").squeeze()
    plain = draws.probe_loss.sel(image="draw").mean("probe_draw").squeeze()
    for sample_number, a in enumerate((0.3, -1.0)):
        truth = exact(lambda w, a=a: a * w + potential(w))
        for estimate in (whole, plain):
            values = estimate.isel(probe_sample=sample_number).values
            assert abs(values.mean() - truth) < 4 * values.std() / len(values) ** 0.5
    odd = whole.isel(probe_sample=1).var() / plain.isel(probe_sample=1).var()
    assert float(odd) < 1 / 3
    estimates = chain_estimates(draws).values.ravel()
    truth = NBETA * exact(potential)
    assert abs(estimates.mean() - truth) < 4 * estimates.std() / len(estimates) ** 0.5

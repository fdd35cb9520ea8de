"""Coupled chains: one noise for all sample sizes, and its opposite for every second chain."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed


def quadratic() -> Testbed:
    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (batch["x"] @ w["w"]).square() / 2

    stream = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=stream, dtype=torch.float64)
    points = Points({"w": torch.zeros(1, 6, dtype=torch.float64)}, pd.DataFrame({"step": [0]}))
    return Testbed("quadratic", losses, {"x": x}, points=lambda: points)


def run(**changes: Any) -> xr.Dataset:
    settings: dict[str, Any] = {
        "kernel": "sgld",
        "n": [10.0, 20.0],
        "beta": 1.0,
        "localization": 10.0,
        "epsilon": 0.01,
        "steps": 60,
        "burn_in": 10,
        "chains": 4,
        "coupled": True,
        "record": ["parameters"],
    }
    testbed = quadratic()
    assert testbed.points is not None
    sampling = Sampling(**(settings | changes))
    return sample(testbed, testbed.points(), sgld, sampling, seed=3, report=silent)


def test_every_second_chain_is_the_mirror_image_of_the_one_before() -> None:
    w = run().parameters.isel(checkpoint=0)
    even, odd = w.isel(chain=[0, 2]).values, w.isel(chain=[1, 3]).values
    np.testing.assert_allclose(odd, -even, atol=1e-7)
    assert np.abs(np.corrcoef(even[0, 0].ravel(), even[0, 1].ravel())[0, 1]) < 0.3


@pytest.mark.parametrize("batch", [None, 5])
def test_sizes_share_noise_and_batches(batch: int | None) -> None:
    w = run(n=[10.0, 10.001], batch=batch).parameters.isel(checkpoint=0)
    np.testing.assert_allclose(w[0], w[1], atol=1e-4)
    apart = run(n=[10.0, 10.001], batch=batch, coupled=False).parameters.isel(checkpoint=0)
    assert np.abs(apart[0] - apart[1]).mean() > 0.1


def test_company_changes_nothing() -> None:
    whole = run()
    np.testing.assert_allclose(whole.parameters.sel(n=[20.0]), run(n=[20.0]).parameters, atol=1e-7)
    np.testing.assert_allclose(
        whole.parameters.isel(chain=[0, 1]), run(chains=2).parameters, atol=1e-7
    )


def test_chains_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="chains: coupled chains come in pairs, got 3"):
        run(chains=3)


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("batch", [None, 5])
def test_step_sizes_share_their_numbers(coupled: bool, batch: int | None) -> None:
    both = run(epsilon=[0.01, 0.02], batch=batch, coupled=coupled).parameters
    alone = run(epsilon=0.02, batch=batch, coupled=coupled).parameters
    np.testing.assert_array_equal(both.isel(step_size=1), alone)

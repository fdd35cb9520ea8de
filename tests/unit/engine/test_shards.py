"""Chains shared by jobs: their draws, gathered, are those of one job."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stagewise.engine import draws
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.engine.shards import chains_of, gather
from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.samplers import parallel_tempering, sgld
from stagewise.testbeds.testbed import Observable, Points, Testbed


def noisy_lines() -> Testbed:
    """Two checkpoints of a noisy line, with an observable."""

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (batch["x"] @ w["w"] - batch["y"]).square() / 2

    stream = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=stream, dtype=torch.float64)
    y = torch.randn(40, generator=stream, dtype=torch.float64)
    w = torch.randn(2, 6, generator=stream, dtype=torch.float64)
    points = Points({"w": w}, pd.DataFrame({"step": [0, 1]}))
    few = Observable(losses, {"x": x[:7], "y": y[:7]})
    return Testbed(
        "lines", losses, {"x": x, "y": y}, points=lambda: points, observables={"few": few}
    )


def settings(**changes: Any) -> Sampling:
    chosen: dict[str, Any] = {
        "kernel": "sgld",
        "n": [10.0, 20.0],
        "localization": 10.0,
        "epsilon": "auto",
        "steps": 60,
        "burn_in": 10,
        "thin": 2,
        "chains": 5,
        "batch": 8,
        "observables": {"few": Observation(every=5)},
    }
    return Sampling(**(chosen | changes))


def run(
    sampling: Sampling, chains: range | None = None, side: SideFile | None = None
) -> xr.Dataset:
    testbed = noisy_lines()
    assert testbed.points is not None
    kernel = {"sgld": sgld, "parallel_tempering": parallel_tempering}[sampling.kernel]
    return sample(
        testbed,
        testbed.points(),
        kernel,
        sampling,
        seed=3,
        report=silent,
        chains=chains,
        side_file=side,
    )


def gathered(sampling: Sampling, shards: int, folder: Path) -> xr.Dataset:
    """Through files, as the workflow does it."""
    parts = []
    for shard in range(shards):
        found = run(sampling, chains_of(shard, shards, sampling.chains))
        draws.save(folder / f"{shard}.nc", found, {})
        parts.append(draws.load(folder / f"{shard}.nc"))
    whole = gather(parts, sampling.chains, SideFile(folder / "unfinished", "work").scratch)
    draws.save(folder / "whole.nc", whole, {})
    return draws.load(folder / "whole.nc")


CASES: dict[str, dict[str, Any]] = {
    "batches": {},
    "all data": {"batch": None, "mirror": True},
    "coupled": {"coupled": True, "chains": 6},
    "covariance": {"observables": {"few": Observation(every=5, keep="covariance")}},
    "response": {"observables": {"few": Observation(keep="response")}},
    "step sizes": {"epsilon": [0.001, 0.002], "record": ["parameters"]},
    "a table of losses": {"thin": 1, "batch": 4},
    "tempered": {
        "kernel": "parallel_tempering",
        "batch": None,
        "epsilon": 0.01,
        "options": {"temperatures": 3},
    },
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shards", [2, 5])
def test_gathered_shards_are_the_draws_of_one_job(case: str, shards: int, tmp_path: Path) -> None:
    sampling = settings(**CASES[case])
    draws.save(tmp_path / "one.nc", run(sampling), {})
    one, many = draws.load(tmp_path / "one.nc"), gathered(sampling, shards, tmp_path)
    assert list(one.data_vars) == list(many.data_vars)
    assert set(one.coords) == set(many.coords)
    for name in one.variables:
        assert one[name].dims == many[name].dims
        assert one[name].dtype == many[name].dtype
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(many[name], one[name], rtol=1e-5, atol=1e-7, err_msg=name)
        else:
            assert one[name].equals(many[name]), name


def test_gathering_needs_every_chain_once_in_order() -> None:
    sampling = settings()
    first, second = (run(sampling, chains_of(shard, 2, 5)) for shard in range(2))
    for parts in ([first], [second, first], [first, first, second], [second]):
        with pytest.raises(ValueError, match="shards: they hold the chains"):
            gather(parts, 5, lambda name, shape: np.zeros(shape, np.float32))


def test_shards_of_different_runs_are_refused() -> None:
    first, second = (run(settings(), chains_of(shard, 2, 5)) for shard in range(2))
    other = second.assign(loss_at_centre=second.loss_at_centre + 1)
    with pytest.raises(ValueError, match="loss_at_centre differs"):
        gather([first, other], 5, lambda name, shape: np.zeros(shape, np.float32))


@given(st.integers(1, 50), st.data())
def test_every_chain_belongs_to_one_shard(chains: int, data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, chains))
    parts = [chains_of(shard, shards, chains) for shard in range(shards)]
    assert [chain for part in parts for chain in part] == list(range(chains))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_more_shards_than_chains() -> None:
    with pytest.raises(ValueError, match="shards: 6 jobs cannot share 5 chains"):
        settings(shards=6)

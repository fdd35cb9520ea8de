"""A chain's draws depend on its own checkpoint, n, number and seed: on nothing beside it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.chains import Chains
from stagewise.engine.execution import Move, Rows, compiled
from stagewise.engine.machine_code import compiler
from stagewise.engine.noise import block_length
from stagewise.engine.posteriors import posteriors
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.resume import SideFile, fingerprint
from stagewise.samplers import mala, parallel_tempering, sgld
from stagewise.samplers.target import State
from stagewise.testbeds.testbed import Points, Testbed

BLOCK = block_length(9)
SETTINGS: dict[str, Any] = {
    "n": [50.0, 400.0],
    "localization": 1.0,
    "epsilon": 0.1,
    "epsilon_unit": "curvature",
    "steps": 3 * BLOCK - 5,
    "burn_in": 7,
    "thin": 3,
    "chains": 3,
    "record": ["parameters"],
}
KERNELS = [
    pytest.param(sgld, {}, id="sgld"),
    pytest.param(sgld, {"batch": 5}, id="sgld-minibatch"),
    pytest.param(mala, {}, id="mala"),
    pytest.param(mala, {"start": "tether"}, id="mala-tether"),
    pytest.param(parallel_tempering, {"options": {"temperatures": 3}}, id="parallel_tempering"),
]
every_kernel = pytest.mark.parametrize(("kernel", "changes"), KERNELS)


def network() -> Testbed:
    """A small tanh network on 12 samples, at four random points."""
    stream = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=stream, dtype=torch.float64)

    data = {"x": normal(12, 3), "y": normal(12)}
    points = Points(
        {"V": normal(4, 2, 3), "u": normal(4, 2), "c": normal(4)},
        pd.DataFrame({"step": [0, 10, 20, 30], "name": list("abcd")}),
        {"shift": normal(4)},
    )

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        out = torch.tanh(batch["x"] @ w["V"].T) @ w["u"] + w["c"] * constants["shift"]
        return (out - batch["y"]).square() / 2

    return Testbed(name="network", losses=losses, data=data, points=lambda: points)


def settings(kernel: ModuleType, changes: dict[str, Any]) -> Sampling:
    return Sampling(**(SETTINGS | {"kernel": kernel.__name__.rsplit(".", 1)[1]} | changes))


def run(kernel: ModuleType, *, seed: int = 3, memory: int = 1 << 30, **changes: Any) -> xr.Dataset:
    testbed = network()
    assert testbed.points is not None
    return sample(
        testbed,
        testbed.points(),
        kernel,
        settings(kernel, changes),
        seed=seed,
        report=silent,
        memory=memory,
    )


def row(kernel: ModuleType, changes: dict[str, Any]) -> int:
    """Bytes that a step of one row writes, by the engine's account."""
    testbed = network()
    assert testbed.points is not None
    points, sampling = testbed.points(), settings(kernel, changes)
    found = posteriors(testbed, points, kernel, sampling, seed=3)
    grid = torch.zeros(1, 5, dtype=torch.int64)
    chains = Chains(kernel, found, grid, seed=3, places=torch.arange(4))
    return chains.cost().written


def same(first: xr.Dataset, second: xr.Dataset) -> None:
    """Equal up to rounding: batched matrix products sum in an order that depends on the size of
    the batch, 1e-15 a step; Langevin steps contract, so it does not grow. Other random numbers
    would differ in the first digit. Recorded parameters are float32: 1e-6."""
    names = [name for name, dim in first.sizes.items() if dim]
    assert dict(first.sizes) == dict(second.sizes), names
    np.testing.assert_allclose(first.excess_loss, second.excess_loss, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(first.parameters, second.parameters, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.acceptance, second.acceptance, rtol=1e-8)


@every_kernel
def test_rows_stepped_in_other_company(kernel: ModuleType, changes: dict[str, Any]) -> None:
    together = run(kernel, **changes)
    ten = 10 * row(kernel, changes)
    same(together, run(kernel, memory=ten, **changes))  # chunks of 10, 10 and 4 rows
    one = {"checkpoints": {"name": "c"}, "n": [400.0]}
    same(
        run(kernel, **one, **changes), run(kernel, memory=row(kernel, changes), **one, **changes)
    )  # of one row
    alone = run(kernel, checkpoints={"name": "c"}, **changes)
    same(together.isel(checkpoint=[2]), alone)
    several = run(kernel, checkpoints={"step": [10, 30]}, **changes)
    same(together.isel(checkpoint=[1, 3]), several)


def test_compiled_or_not() -> None:
    if compiler() is None:
        pytest.skip("there is no C++ compiler on this machine")
    same(run(sgld), run(sgld, execution="compiled"))


@every_kernel
def test_compiled_steps_by_parts_of_the_rows(
    kernel: ModuleType, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 rows as 3 parts of 9, of which the last two share rows."""
    if compiler() is None:
        pytest.skip("there is no C++ compiler on this machine")
    together = run(kernel, **changes)
    lengths: list[int] = []

    def watched(move: Move, example: tuple[State, Tensor, Tensor | None, Rows]) -> Move:
        lengths.append(len(example[1]))
        return compiled(move, example)

    monkeypatch.setattr("stagewise.engine.chains.compiled", watched)
    monkeypatch.setattr(
        "stagewise.engine.chains.parts",
        lambda rows, written: [slice(0, 9), slice(9, 18), slice(15, 24)],
    )
    same(together, run(kernel, execution="compiled", **changes))
    assert lengths == [9]


@every_kernel
def test_batches_made_in_shares(
    kernel: ModuleType, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled steps of few rows, so that every thread has work."""
    if compiler() is None:
        pytest.skip("there is no C++ compiler on this machine")
    batch = settings(kernel, changes).batch
    one = {"checkpoints": {"name": "c"}, "n": [400.0], "chains": 1}
    asked: list[tuple[int, int | None]] = []

    def five(rows: int, batch: int | None) -> int:
        asked.append((rows, batch))
        return 5 if batch else 1

    monkeypatch.setattr("stagewise.engine.chains.shares", five)
    same(run(kernel, **{**changes, **one}), run(kernel, **{**changes, **one}, execution="compiled"))
    assert asked == [(1, batch)]


@every_kernel
def test_rows_stepped_alone(
    kernel: ModuleType, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = run(kernel, **changes)
    monkeypatch.setattr("stagewise.engine.execution.CACHE", 0)
    alone = run(kernel, **changes)
    for name in ("excess_loss", "distance"):
        np.testing.assert_allclose(alone[name], together[name], rtol=1e-6, atol=1e-9)


def test_losses_at_the_centre_looked_up_or_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of every sample's loss at w* gives each batch's, up to rounding."""
    looked_up = run(sgld, batch=5)
    monkeypatch.setattr("stagewise.engine.sample._repaid", lambda found: False)
    same(looked_up, run(sgld, batch=5))


@every_kernel
def test_adding_chains_or_sample_sizes(kernel: ModuleType, changes: dict[str, Any]) -> None:
    few = run(kernel, **changes)
    same(few, run(kernel, chains=5, **changes).isel(chain=slice(3)))
    same(few, run(kernel, n=[400.0, 75.0, 50.0], **changes).sel(n=[50.0, 400.0]))
    same(few.sel(n=[400.0]), run(kernel, n=[400.0], **changes))


@every_kernel
def test_more_steps_continue_the_same_chain(kernel: ModuleType, changes: dict[str, Any]) -> None:
    short = run(kernel, **changes)
    longer = run(kernel, steps=SETTINGS["steps"] + BLOCK, **changes)
    shared = longer.isel(draw=slice(short.sizes["draw"]))
    np.testing.assert_array_equal(short.excess_loss, shared.excess_loss)


@every_kernel
def test_every_chain_has_its_own_numbers(kernel: ModuleType, changes: dict[str, Any]) -> None:
    draws = run(kernel, **changes)
    other = run(kernel, seed=4, **changes)
    assert (draws.parameters.values != other.parameters.values).any(axis=-1).all()
    steps = draws.parameters.diff("draw").values  # (checkpoint, n, chain, draw, parameter)
    rows = steps.reshape(-1, *steps.shape[3:]).reshape(4 * 2 * 3, -1)
    correlation = np.corrcoef(rows) - np.eye(len(rows))
    # 100 numbers a chain or more, 276 pairs: independent rows stay below 4.5 / sqrt(100)
    assert np.abs(correlation).max() < 0.45


class Stop(Exception):
    """Stands for a kill."""


class Killed(SideFile):
    """Saves whenever it may and is killed after a given number of saves."""

    def __init__(self, path: Path, work: str, after: int) -> None:
        super().__init__(path, work)
        self.left = after

    def due(self) -> bool:
        return True

    def save(self, tensors: Any, counters: Any) -> None:
        super().save(tensors, counters)
        self.left -= 1
        if self.left == 0:
            raise Stop


@pytest.mark.parametrize(("kernel", "changes"), [KERNELS[1], KERNELS[2], KERNELS[4]])
def test_resumed_after_a_kill_at_every_block(
    kernel: ModuleType, changes: dict[str, Any], tmp_path: Path
) -> None:
    """Two chunks of three blocks: six places to be killed at. Bit for bit: the same batches."""
    testbed, sampling = network(), settings(kernel, changes)
    assert testbed.points is not None

    def go(side_file: SideFile | None) -> xr.Dataset:
        assert testbed.points is not None
        return sample(
            testbed,
            testbed.points(),
            kernel,
            sampling,
            seed=3,
            report=silent,
            side_file=side_file,
            memory=12 * row(kernel, changes),
        )

    whole = go(None)
    for after in (1, 2, 3, 5):
        path = tmp_path / f"{after}.unfinished"
        with pytest.raises(Stop):
            go(Killed(path, "work", after))
        xr.testing.assert_identical(whole, go(SideFile(path, "work")))
    path = tmp_path / "again.unfinished"
    for _ in range(6):  # killed at every block in turn, in one piece of work
        with pytest.raises(Stop):
            go(Killed(path, "work", 1))
    xr.testing.assert_identical(whole, go(SideFile(path, "work")))


def test_other_work_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "draws.nc.unfinished"
    SideFile(path, fingerprint({"steps": 10})).save({"a": torch.ones(2)}, {"step": 5})
    assert SideFile(path, fingerprint({"steps": 11})).load() is None
    found = SideFile(path, fingerprint({"steps": 10})).load()
    assert found is not None
    assert found[1] == {"step": 5}
    path.write_bytes(path.read_bytes()[:40])
    assert SideFile(path, fingerprint({"steps": 10})).load() is None
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_index_columns_may_not_shadow_what_is_recorded() -> None:
    testbed = network()
    assert testbed.points is not None
    points = testbed.points()
    for column in ("chain", "n", "distance", "epsilon"):
        shadowed = Points(points.parameters, points.index.assign(**{column: 1.0}), points.constants)
        with pytest.raises(ValueError, match=f"index column '{column}'"):
            sample(testbed, shadowed, sgld, settings(sgld, {}), seed=0, report=silent)

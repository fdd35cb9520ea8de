"""Observables along chains: what is written is what the recorded weights give."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine import draws as draws_on_disk
from stagewise.engine.chains import TooLittleMemoryError
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.samplers import mala, sgld
from stagewise.settings import SettingsError, build
from stagewise.testbeds.testbed import Observable, Points, Testbed


def losses(w: Any, constants: Any, batch: Any) -> Tensor:
    out = torch.tanh(batch["x"] @ w["V"].T) @ w["u"] + constants["shift"]
    return (out - batch["y"]).square() / 2


def tokens(w: Any, constants: Any, batch: Any) -> Tensor:
    """Two losses of each sample."""
    first = losses(w, constants, batch)
    return torch.stack([first, first * batch["x"][:, 0]], dim=1)


def network() -> Testbed:
    stream = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=stream, dtype=torch.float64)

    data, other = ({"x": normal(count, 3), "y": normal(count)} for count in (12, 7))
    points = Points(
        {"V": normal(2, 2, 3), "u": normal(2, 2)},
        pd.DataFrame({"step": [0, 10]}),
        {"shift": normal(2)},
    )
    return Testbed(
        "network",
        losses,
        data,
        points=lambda: points,
        observables={"other": Observable(losses, other), "words": Observable(tokens, other)},
    )


def run(side_file: SideFile | None = None, memory: int = 1 << 30, **changes: Any) -> xr.Dataset:
    settings: dict[str, Any] = {
        "kernel": "sgld",
        "n": [50.0, 400.0],
        "localization": 1.0,
        "epsilon": 0.1,
        "epsilon_unit": "curvature",
        "steps": 140,
        "burn_in": 20,
        "thin": 2,
        "chains": 3,
        "record": ["parameters"],
    }
    testbed, sampling = network(), Sampling(**(settings | changes))
    assert testbed.points is not None
    kernel = {"sgld": sgld, "mala": mala}[sampling.kernel]
    return sample(
        testbed,
        testbed.points(),
        kernel,
        sampling,
        seed=2,
        report=silent,
        side_file=side_file,
        memory=memory,
    )


def observations(**keep: str) -> dict[str, Any]:
    values = {"kernel": "sgld", "steps": 9, "burn_in": 0, "chains": 1, "localization": 1.0}
    named = {name: {"every": 3, "keep": how} for name, how in keep.items()}
    return {"observables": build(Sampling, {**values, "observables": named}, "").observables}


def expected(found: xr.Dataset, name: str) -> np.ndarray[Any, Any]:
    """(checkpoint, n, chain, evaluation, ...) from the recorded weights."""
    testbed = network()
    assert testbed.points is not None
    points, observable = testbed.points(), testbed.observables[name]
    weights = torch.tensor(found.parameters.values[:, :, :, ::3]).double()
    results = [
        observable.losses(
            {"V": flat[:6].reshape(2, 3), "u": flat[6:]},
            {"shift": points.constants["shift"][at]},
            observable.data,
        )
        for at, rows in enumerate(weights)
        for flat in rows.reshape(-1, 8)
    ]
    stacked = torch.stack(results)
    return stacked.reshape(*weights.shape[:4], *stacked.shape[1:]).numpy()


def test_traces_are_the_losses_at_the_recorded_weights() -> None:
    found = run(**observations(other="trace", words="trace"))
    names = ("checkpoint", "n", "chain")
    assert found.other_loss.dims == (*names, "other_draw", "other_sample")
    assert found.words_loss.dims == (*names, "words_draw", "words_sample", "words_token")
    assert found.other_draw.values.tolist() == found.draw.values[::3].tolist()
    for name in ("other", "words"):
        np.testing.assert_allclose(found[f"{name}_loss"], expected(found, name), rtol=2e-4)


def test_moments_are_those_of_the_traces() -> None:
    traces = run(**observations(words="trace"))
    moments = run(**observations(words="covariance"))
    flat = traces.words_loss.values.astype(float).reshape(2, 2, 3, 20, 14)
    np.testing.assert_allclose(moments.words_loss_mean, flat.mean(3), rtol=1e-5)
    for at in np.ndindex(2, 2, 3):
        np.testing.assert_allclose(
            moments.words_loss_covariance.values[at], np.cov(flat[at].T), rtol=1e-4, atol=1e-7
        )


def test_traces_make_no_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A covariance of thousands of samples or tokens would not fit into memory."""
    monkeypatch.setattr("stagewise.engine.observables.Moments", None)
    run(**observations(other="trace"))


def test_little_memory_changes_nothing() -> None:
    chosen = observations(other="trace", words="covariance")
    few = run(memory=3000, **chosen)
    for name, values in run(**chosen).items():
        np.testing.assert_allclose(few[name], values, rtol=1e-4, atol=1e-9, err_msg=str(name))


def test_too_little_memory_for_one_chain() -> None:
    with pytest.raises(TooLittleMemoryError, match="one chain of network writes"):
        run(memory=10)


class Stop(Exception):
    pass


class Killed(SideFile):
    """Saves at every block and stops after the second."""

    saves = 0

    def due(self) -> bool:
        return True

    def save(self, tensors: Any, counters: Any) -> None:
        super().save(tensors, counters)
        self.saves += 1
        if self.saves == 2:
            raise Stop


def test_resumed_after_a_kill(tmp_path: Path) -> None:
    chosen = observations(other="trace", words="covariance") | {"steps": 400, "thin": 4}
    killed = Killed(tmp_path / "draws.nc.unfinished", "work")
    with pytest.raises(Stop):
        run(killed, memory=6000, **chosen)
    again = SideFile(tmp_path / "draws.nc.unfinished", "work")
    found, undisturbed = run(again, memory=6000, **chosen), run(memory=6000, **chosen)
    xr.testing.assert_identical(found, undisturbed)
    draws_on_disk.save(tmp_path / "draws.nc", found, {})
    again.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["draws.nc"]
    loaded = draws_on_disk.load(tmp_path / "draws.nc")
    np.testing.assert_array_equal(loaded.other_loss, undisturbed.other_loss)


def test_lost_scratch_starts_anew(tmp_path: Path) -> None:
    chosen = observations(other="trace") | {"steps": 400, "thin": 4}
    with pytest.raises(Stop):
        run(Killed(tmp_path / "side", "work"), **chosen)
    (tmp_path / "side.other").unlink()
    xr.testing.assert_identical(run(SideFile(tmp_path / "side", "work"), **chosen), run(**chosen))


def test_mirror_images() -> None:
    """The image's losses are those at w* - (w - w*)."""
    found = run(mirror=True, **observations(other="trace"))
    assert found.other_loss.dims[-2:] == ("image", "other_sample")
    testbed = network()
    assert testbed.points is not None
    points = testbed.points()
    centre = torch.cat([points.parameters[name][1].flatten() for name in ("V", "u")])
    draw = torch.tensor(found.parameters.values[1, 0, 2, 3]).double()
    flat = 2 * centre - draw
    at = [{"V": w[:6].reshape(2, 3), "u": w[6:]} for w in (flat, centre)]
    constants = {"shift": points.constants["shift"][1]}
    other = testbed.observables["other"].data
    image = found.other_loss.isel(checkpoint=1, n=0, chain=2, other_draw=1).sel(image="mirror")
    np.testing.assert_allclose(image, losses(at[0], constants, other), rtol=1e-4)
    rise = (
        losses(at[0], constants, testbed.data).mean()
        - losses(at[1], constants, testbed.data).mean()
    )
    assert float(found.mirror_excess_loss[1, 0, 2, 3]) == pytest.approx(float(rise), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observables": {"otter": None}}, r"observables\.otter: .* it has other, words"),
        ({"mirror": True, "batch": 3}, "mirror: needs the loss on all data"),
    ],
)
def test_what_makes_no_sense(changes: dict[str, Any], message: str) -> None:
    if "observables" in changes:
        changes = {"observables": {"otter": observations(other="trace")["observables"]["other"]}}
    with pytest.raises((SettingsError, ValueError), match=message):
        run(**changes)


@pytest.mark.parametrize("keep", ["covariance", "response"])
def test_a_covariance_needs_two_draws(keep: Any) -> None:
    settings: Any = {"kernel": "sgld", "steps": 6, "burn_in": 2, "chains": 2, "localization": 1.0}
    Sampling(**settings, observables={"words": Observation(every=3, keep=keep)})
    with pytest.raises(ValueError, match=rf"words\.keep: {keep} needs two evaluated draws"):
        Sampling(**settings, observables={"words": Observation(every=4, keep=keep)})


def test_response_is_that_of_the_traces() -> None:
    traced = run(**observations(words="trace"))
    kept = run(**observations(words="response"))
    losses = traced.words_loss.astype(float)
    total = losses.mean(["words_sample", "words_token"])
    xr.testing.assert_allclose(kept.words_loss_mean, losses.mean("words_draw"), atol=1e-6)
    xr.testing.assert_allclose(
        kept.words_loss_response, xr.cov(losses, total, dim="words_draw", ddof=0), atol=1e-6
    )
    xr.testing.assert_allclose(kept.words_total_mean, total.mean("words_draw"), atol=1e-6)
    xr.testing.assert_allclose(kept.words_total_variance, total.var("words_draw"), atol=1e-6)
    assert float(kept.words_total_variance.min()) > 1e-4

"""Linear regressions at their least squares."""

import pytest
import torch
from torch.func import vmap

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.settings import SettingsError
from stagewise.testbeds import linear_regression


def _gradients(testbed):
    points = testbed.points()

    def whole(w, constants):
        return testbed.losses(w, constants, testbed.data).mean()

    return points, vmap(torch.func.grad(whole))(points.parameters, points.constants)["w"]


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 20, "features": 4, "data_sets": 3},
        {"samples": 20, "features": 4, "tasks": 2, "shared": [0, 1, 4]},
    ],
)
def test_points_are_minima(settings):
    points, gradients = _gradients(linear_regression.build(settings, 0))
    assert len(points) == 3
    assert gradients.abs().max() < 1e-12


def test_curvature_is_the_largest_of_the_hessian():
    points = linear_regression.build({"samples": 20, "features": 4}, 1).points()
    x = points.constants["x"][0]
    largest = torch.linalg.eigvalsh(x.T @ x / len(x))[-1]
    assert points.index.curvature[0] == pytest.approx(float(largest))


def test_tasks_share_as_many_features_as_asked():
    settings = {"samples": 9, "features": 5, "tasks": 2, "shared": [0, 2, 5]}
    points = linear_regression.build(settings, 0).points()
    for row, shared in enumerate(settings["shared"]):
        seen = points.constants["x"][row] != 0
        first, second = seen[:9].all(0), seen[9:].all(0)
        assert first.sum() == second.sum() == 5
        assert (first & second).sum() == shared
        assert points.masks["w"][row].sum() == (first | second).sum() == 10 - shared


def test_without_noise_the_losses_vanish():
    testbed = linear_regression.build({"samples": 9, "features": 3, "noise": 0.0}, 0)
    points = testbed.points()
    w, constants = ({k: v[0] for k, v in t.items()} for t in (points.parameters, points.constants))
    assert testbed.losses(w, constants, testbed.data).max() < 1e-20


def test_losses_are_observed_along_chains():
    testbed = linear_regression.build(
        {"samples": 8, "features": 3, "tasks": 2, "shared": [0, 2]}, 0
    )
    sampling = Sampling(
        kernel="sgld",
        steps=6,
        burn_in=2,
        chains=2,
        localization=1.0,
        epsilon=0.1,
        epsilon_unit="curvature",
        observables={"data": Observation()},
    )
    found = sample(testbed, testbed.points(), sgld, sampling, seed=0, report=silent)
    assert found.data_loss.shape == (2, 1, 2, 4, 16)
    rise = found.data_loss.mean("data_sample") - found.data_loss_at_centre.mean("data_sample")
    assert rise.values == pytest.approx(found.excess_loss.values, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"samples": 3, "features": 4}, "samples"),
        ({"samples": 9, "features": 4, "tasks": 2}, "shared"),
        ({"samples": 9, "features": 4, "shared": [1]}, "shared"),
        ({"samples": 9, "features": 4, "tasks": 2, "shared": [5]}, "shared"),
        ({"samples": 9, "features": 4, "noise": -1.0}, "noise"),
    ],
)
def test_bad_settings_are_named(settings, named):
    with pytest.raises(SettingsError, match=f"linear_regression.model.{named}"):
        linear_regression.build(settings, 0)


def test_blocks_are_components_that_make_up_the_whole():
    testbed = linear_regression.build({"samples": 20, "features": 6, "blocks": 3}, 0)
    masks = torch.stack([mask["w"] for mask in testbed.components.values()])
    assert masks.sum(0).tolist() == [1] * 6
    assert masks.sum(1).tolist() == [2, 2, 2]
    assert not linear_regression.build({"samples": 20, "features": 6}, 0).components


@pytest.mark.parametrize(
    "settings",
    [{"features": 5, "blocks": 2}, {"features": 4, "blocks": 2, "tasks": 2, "shared": [1]}],
)
def test_blocks_that_cannot_be(settings):
    with pytest.raises(SettingsError, match="blocks"):
        linear_regression.build({"samples": 20, **settings}, 0)

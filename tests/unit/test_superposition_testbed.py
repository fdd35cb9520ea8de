"""The testbed of the toy model of superposition: its losses in four forms, points, start."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stagewise.data.one_hot import as_vectors, one_hot_samples
from stagewise.engine.flat import flatten
from stagewise.engine.program import Program
from stagewise.models.superposition import (
    empirical_loss,
    population_loss,
    prefix_sums,
    reconstruction_losses,
)
from stagewise.seeds import generator
from stagewise.settings import SettingsError
from stagewise.testbeds.superposition import build
from stagewise.theory.superposition import polygon_loss, polygon_parameters, potential

SHAPES = {"W": (2, 6), "b": (6,)}


def positions(rows: int) -> Tensor:
    """Random positions; the first two have columns that are exactly zero."""
    drawn = 0.6 * torch.randn(rows, 18, generator=generator(3), dtype=torch.float64)
    drawn[:2, [4, 5, 10, 11]] = 0
    return drawn


def program(rows: int) -> Program:
    return Program(
        lambda w, constants, batch: population_loss(w["W"], w["b"])[None], SHAPES, {}, rows=rows
    )


@pytest.mark.parametrize("c", [4, 5, 6, 8])
def test_population_loss_is_the_closed_form(c):
    random = np.random.default_rng(c)
    for _ in range(20):
        W, b = random.normal(size=(2, c)), 0.5 * random.normal(size=c)
        found = float(population_loss(torch.from_numpy(W), torch.from_numpy(b)))
        assert found == pytest.approx(potential(W, b), abs=1e-13)


def test_population_derivatives_are_those_of_the_loss():
    w, direction = positions(40), torch.randn(40, 18, generator=generator(4), dtype=torch.float64)
    step, loss = 1e-6, program(40)
    value, gradient = loss.loss_and_gradient(w, {})
    slope = (loss.loss(w + step * direction, {}) - loss.loss(w - step * direction, {})) / (2 * step)
    # central differences of a function with third derivatives of order ten
    torch.testing.assert_close((gradient * direction).sum(1), slope, atol=1e-7, rtol=0)
    assert torch.isfinite(value).all()
    # away from columns of zero, where the loss is not twice differentiable
    w, direction, loss = w[2:], direction[2:], program(38)
    ahead = loss.loss_and_gradient(w + step * direction, {})[1]
    behind = loss.loss_and_gradient(w - step * direction, {})[1]
    curved = loss.hessian_vector(w, direction, {})
    error = ((ahead - behind) / (2 * step) - curved).abs().amax(1)
    assert (error < 1e-5).float().mean() > 0.9  # a kink of the slope may lie between the two


def test_sufficient_statistics_give_the_mean_over_samples():
    sets = [one_hot_samples(size, 6, generator(size)) for size in (7, 300, 1000)]
    statistics, w = prefix_sums(sets, 6), positions(30)
    for number, (feature, mu) in enumerate(sets):
        x = as_vectors(feature, mu, 6)
        direct = Program(
            lambda w, constants, batch, x=x: reconstruction_losses(w["W"], w["b"], x),
            SHAPES,
            {},
            rows=30,
        )
        quick = Program(
            lambda w, constants, batch: empirical_loss(
                w["W"], w["b"], statistics, constants["data"]
            )[None],
            SHAPES,
            {"data": torch.full((30,), number)},
            rows=30,
        )
        for one, other in zip(
            direct.loss_and_gradient(w, {}), quick.loss_and_gradient(w, {}), strict=True
        ):
            torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_sufficient_statistics_need_no_sample_of_a_feature():
    feature, mu = torch.tensor([0, 0, 3]), torch.tensor([0.5, 0.25, 0.75], dtype=torch.float64)
    W, b = torch.from_numpy(polygon_parameters(6, 6)[0]), torch.full((6,), 0.1, dtype=torch.float64)
    found = empirical_loss(W, b, prefix_sums([(feature, mu)], 6), torch.tensor(0))
    expected = reconstruction_losses(W, b, as_vectors(feature, mu, 6)).mean()
    assert float(found) == pytest.approx(float(expected), abs=1e-14)


def test_points_lie_on_their_levels_and_data_sets_differ():
    points = build({"points": ["4", "5+"], "samples": [50, 80], "data_sets": 3}, 1).points()
    assert len(points) == 2 * 2 * 3
    for phase, loss in zip(points.index["phase"], points.index["loss_population"], strict=True):
        assert loss == pytest.approx(polygon_loss(int(phase[0]), 6, len(phase) - 1), abs=1e-14)
    testbed = build({"points": ["6"], "samples": [50], "data_sets": 3}, 1)
    points = testbed.points()
    losses = [
        float(
            testbed.losses(
                {k: v[row] for k, v in points.parameters.items()},
                {k: v[row] for k, v in points.constants.items()},
                {},
            ).mean()
        )
        for row in range(3)
    ]
    assert len(set(losses)) == 3
    assert np.mean(losses) == pytest.approx(polygon_loss(6, 6), rel=0.5)


def test_training_starts_beside_the_phase_and_whole_is_the_mean_loss():
    testbed = build({"start": "4", "start_noise": 0.01, "unused_bias": 0.0, "samples": [200]}, 2)
    start = testbed.initial(generator(0))
    W, _ = polygon_parameters(4, 6)
    assert np.abs(start["W"].numpy() - W).max() < 0.05
    assert np.abs(start["b"].numpy()[4:]).max() < 0.05
    assert float(testbed.whole(start, {})) == pytest.approx(
        float(testbed.losses(start, {}, testbed.data).mean()), abs=1e-14
    )
    assert flatten({k: v[None] for k, v in start.items()}, SHAPES).shape == (1, 18)
    assert testbed.whole_losses(start, {}, {}).shape == (1,)


@pytest.mark.parametrize(
    "settings",
    [
        {"points": ["4"], "start": "4"},
        {},
        {"points": ["4"], "unused_bias": 0.0},
        {"start": "4", "samples": [10, 20]},
        {"points": ["7"]},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises((SettingsError, ValueError)):
        build(settings, 0).points()

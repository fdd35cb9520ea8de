"""Samplers that adapt to gradients, and the temperature of those with momentum."""

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import local_learning_coefficient
from stagewise.progress import silent
from stagewise.samplers import adam_sgld, rmsprop_sgld, sghmc, sgld
from stagewise.samplers.target import Batch, Info, Target, potential_gradient
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.theory.langevin import gaussian_excess

CURVATURES = [4.0, 1.0, 0.25, 0.01]


def quadratic() -> Testbed:
    """Coordinates of very different curvature: what a preconditioner is for."""
    h = torch.tensor(CURVATURES, dtype=torch.float64)

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (h * w["w"].square()).sum()[None] / 2

    points = Points({"w": torch.zeros(1, 4, dtype=torch.float64)}, pd.DataFrame({"step": [0]}))
    return Testbed(name="quadratic", losses=losses, points=lambda: points)


def run(kernel: ModuleType, name: str, **changes: Any) -> xr.Dataset:
    settings: dict[str, Any] = {
        "kernel": name,
        "n": [1000.0],
        "localization": 1.0,
        "steps": 6000,
        "burn_in": 2000,
        "thin": 4,
        "chains": 64,
    }
    bed = quadratic()
    assert bed.points is not None
    sampling = Sampling(**(settings | changes))
    return sample(bed, bed.points(), kernel, sampling, seed=1, report=silent)


def ratio(draws: xr.Dataset) -> tuple[float, float]:
    """Estimate over the exact value, and its standard error."""
    found = local_learning_coefficient(draws)
    exact = gaussian_excess(CURVATURES, n_beta=float(draws.nbeta[0]), localization=1.0)
    return float(found.lambda_hat.squeeze()) / exact, float(found.standard_error.squeeze()) / exact


def test_a_large_stabiliser_is_plain_sgld() -> None:
    """sqrt(v) + a is a to nine digits."""
    plain = run(sgld, "sgld", epsilon=1e-4, steps=300, burn_in=0, record=["parameters"])
    options = {"stabiliser": 1e9}
    adapted = run(
        rmsprop_sgld, "rmsprop_sgld", epsilon=1e5, options=options, steps=300, burn_in=0,
        record=["parameters"],
    )  # fmt: skip
    np.testing.assert_allclose(adapted.parameters, plain.parameters, rtol=1e-4, atol=1e-6)


def test_adam_without_momentum_is_rmsprop() -> None:
    shared = {"epsilon": 1e-5, "steps": 300, "burn_in": 0, "record": ["parameters"]}
    rmsprop = run(rmsprop_sgld, "rmsprop_sgld", options={"decay": 0.9}, **shared)
    adam = run(adam_sgld, "adam_sgld", options={"decay": 0.9, "momentum": 0.0}, **shared)
    np.testing.assert_array_equal(adam.parameters, rmsprop.parameters)


def test_a_frozen_preconditioner_samples_the_exact_law() -> None:
    """And one that goes on adapting does not: smaller gradients bring larger steps, and those
    larger variances."""
    settings = {"epsilon": 3e-5, "steps": 20000, "burn_in": 4000}
    frozen, error = ratio(run(rmsprop_sgld, "rmsprop_sgld", options={"freeze": 4000}, **settings))
    assert error < 0.01
    assert abs(frozen - 1) < 0.02 + 4 * error
    adapting, error = ratio(run(rmsprop_sgld, "rmsprop_sgld", **settings))
    assert adapting > 1.1 + 4 * error


class Hot:
    """SGHMC as a published transcription has it: half the force, with all of the noise."""

    FULL_DATA = False
    noise_size = staticmethod(sghmc.noise_size)
    init = staticmethod(sghmc.init)

    @staticmethod
    def step(
        state: sghmc.Moving, target: Target, batch: Batch, noise: Tensor
    ) -> tuple[sghmc.Moving, Info]:
        loss, gradient = target.loss_and_gradient(state.position, batch)
        h, friction = target.epsilon / 2, target.options.friction
        force = potential_gradient(state.position, gradient, target)
        kick = (2 * friction * h).sqrt() * noise
        momentum = (1 - friction) * state.momentum - h / 2 * force + kick
        return sghmc.Moving(state.position + momentum, momentum), Info(loss)


def test_the_wrong_temperature_is_seen() -> None:
    cold, error = ratio(run(sghmc, "sghmc", epsilon=2e-4))
    assert abs(cold - 1) < 0.03 + 4 * error
    hot, error = ratio(run(Hot, "sghmc", epsilon=2e-4))  # type: ignore[arg-type]
    assert abs(hot - 2) < 0.06 + 4 * error


def test_several_step_sizes_are_the_single_runs_side_by_side() -> None:
    sizes = [1e-4, 4e-4]
    shared = {"steps": 200, "burn_in": 40, "thin": 1, "chains": 3, "record": ["parameters"]}
    together = run(sgld, "sgld", epsilon=sizes, **shared)
    assert together.excess_loss.dims == ("checkpoint", "n", "step_size", "chain", "draw")
    assert together.step_size.values.tolist() == sizes
    for size in sizes:
        alone = run(sgld, "sgld", epsilon=size, **shared)
        part = together.sel(step_size=size, drop=True)
        for name in ("excess_loss", "parameters", "rhat", "epsilon"):
            np.testing.assert_allclose(part[name], alone[name], rtol=1e-8)


def test_diverged_chains_are_kept_apart_where_that_is_asked_for() -> None:
    sizes = [1e-3, 1.0]
    draws = run(sgld, "sgld", epsilon=sizes, diverging="keep", steps=3000, burn_in=200)
    estimates = local_learning_coefficient(draws).lambda_hat
    assert np.isfinite(estimates.sel(step_size=1e-3)).all()
    assert np.isnan(estimates.sel(step_size=1.0)).all()
    assert np.isfinite(draws.rhat.sel(step_size=1e-3)).all()


def test_auto_is_a_share_of_the_curvature(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "stagewise"):
        draws = run(sgld, "sgld", epsilon="auto", steps=64, burn_in=0)
    stiffest = float(draws.nbeta[0]) * max(CURVATURES) + 1
    assert float(draws.epsilon.squeeze()) * stiffest == pytest.approx(0.4, rel=1e-3)
    assert any("epsilon: auto is 0.4 / curvature" in r.getMessage() for r in caplog.records)
    with pytest.raises(
        ValueError, match="epsilon: auto is a share of the curvature, and adam_sgld"
    ):
        Sampling("adam_sgld", 10, 0, 1, 1.0, epsilon="auto")

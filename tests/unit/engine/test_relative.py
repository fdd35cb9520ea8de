"""Tethers and steps in units of the weights' sizes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from stagewise.engine.relative import relative, tensor_sizes
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Observable, Points, Testbed
from stagewise.theory.langevin import gaussian_excess

SETTINGS: dict[str, Any] = {
    "kernel": "sgld",
    "coordinates": "relative",
    "n": [50.0],
    "beta": 1.0,
    "localization": 20.0,
    "epsilon": 5e-3,
    "steps": 400,
    "burn_in": 100,
    "chains": 32,
}


def points(**weights: Tensor) -> Points:
    return Points({name: t[None] for name, t in weights.items()}, pd.DataFrame({"step": [0]}))


def sampled(testbed: Testbed, at: Points, **changes: Any) -> Any:
    return sample(testbed, at, sgld, Sampling(**(SETTINGS | changes)), seed=4, report=silent)


def test_sizes_are_of_each_matrix_and_of_all_for_vectors() -> None:
    found = tensor_sizes(
        points(
            A=torch.full((2, 2), 3.0),
            B=torch.full((1, 4), -4.0),
            b=torch.ones(3),
            Z=torch.zeros(1, 1),
        )
    )
    overall = np.sqrt((4 * 9 + 4 * 16) / 9)
    values = {name: float(size) for name, size in found.items()}
    assert values == pytest.approx({"A": 3, "B": 4, "b": overall, "Z": overall})


def test_estimate_on_a_quadratic_is_that_of_its_curvatures_in_those_units() -> None:
    """Each curvature h counts as h size^2."""
    h = {"A": torch.tensor([[1.0, 4.0]]).double(), "B": torch.tensor([[0.1], [0.4]]).double()}
    at = points(A=torch.full((1, 2), 0.5).double(), B=torch.full((2, 1), -3.0).double())

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        apart = sum((h[k] * (w[k] - at.parameters[k][0]) ** 2).sum() for k in h)
        return torch.as_tensor(apart)[None] / 2

    found = sampled(Testbed("bowl", losses), at, chains=400)
    means = 50 * found.excess_loss.mean("draw").values.ravel()
    curvatures = [0.25, 1.0, 0.9, 3.6]
    expected = gaussian_excess(curvatures, n_beta=50, localization=20, epsilon=5e-3)
    assert abs(means.mean() - expected) < 4 * means.std() / len(means) ** 0.5


def test_models_that_differ_in_the_sizes_of_their_matrices_have_the_same_draws() -> None:
    stream = torch.Generator().manual_seed(0)
    first = torch.randn(3, 4, generator=stream, dtype=torch.float64)
    second = torch.randn(2, 3, generator=stream, dtype=torch.float64)
    x = torch.randn(20, 4, generator=stream, dtype=torch.float64)
    data = {"x": x, "y": torch.randn(20, 2, generator=stream, dtype=torch.float64)}

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (batch["x"] @ w["A"].T @ w["B"].T - batch["y"]).square().sum(-1)

    testbed = Testbed("product", losses, data, observables={"all": Observable(losses, data)})
    settings = {"batch": 5, "chains": 2, "observables": {"all": Observation()}}
    one = sampled(testbed, points(A=first, B=second), **settings)
    other = sampled(testbed, points(A=first * 8, B=second / 8), **settings)
    for name in ("excess_loss", "distance", "all_loss"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-9)
    absolute = [
        sampled(testbed, at, coordinates="weights", epsilon=1e-5, batch=5, chains=2).excess_loss
        for at in (points(A=first, B=second), points(A=first * 8, B=second / 8))
    ]
    assert float(abs(absolute[0] - absolute[1]).max()) > 1e-3, "isotropic tethers tell them apart"


def test_loss_at_a_point_does_not_change() -> None:
    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (w["A"].sum() * constants["c"])[None]

    at = points(A=torch.full((2, 2), 3.0))
    at.constants["c"] = torch.tensor([2.0])
    testbed, scaled = relative(Testbed("sum", losses), at)
    assert torch.equal(scaled.parameters["A"], torch.ones(1, 2, 2))
    one = {name: t[0] for name, t in scaled.constants.items()}
    assert float(testbed.losses({"A": scaled.parameters["A"][0]}, one, {})) == 24


def test_weights_without_matrices_have_no_sizes() -> None:
    with pytest.raises(ValueError, match="coordinates: relative ones need weights in matrices"):
        tensor_sizes(points(b=torch.ones(3)))
    with pytest.raises(ValueError, match="record: parameters"):
        Sampling(**(SETTINGS | {"record": ["parameters"]}))
    with pytest.raises(ValueError, match="coordinates: deep_linear_gibbs"):
        Sampling(**(SETTINGS | {"kernel": "deep_linear_gibbs", "epsilon": None}))

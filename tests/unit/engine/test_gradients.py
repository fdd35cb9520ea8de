"""The gradient at w* that a component sees, on bowls where it is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from quadratic import SETTINGS, losses

from stagewise.engine.chains import MEMORY
from stagewise.engine.gradients import gradient_norms
from stagewise.engine.posteriors import posteriors
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed

COMPONENTS = {
    "first": {"w": torch.tensor([True, True, False])},
    "last": {"w": torch.tensor([False, False, True])},
}


def regression(targets: torch.Tensor, **others: Any) -> Testbed:
    """Per-sample loss |w - y|^2 / 2: the gradient is w less the mean target."""

    points = Points(
        {"w": torch.tensor([[0.0, 0, 0], [1, 2, 2]]).double()}, pd.DataFrame({"step": [0, 1]})
    )
    data = {"y": targets}
    return Testbed(
        "regression", losses, data, points=lambda: points, components=COMPONENTS, **others
    )


def norms(testbed: Testbed, **changes: Any) -> Any:
    assert testbed.points is not None
    sampling = Sampling(**(SETTINGS | changes))
    return sample(testbed, testbed.points(), sgld, sampling, seed=0, report=silent).gradient_norm


def test_of_a_component_its_own_coordinates_count() -> None:
    """With targets of mean zero the gradient at w is w: (1, 2, 2) has norm 3, its parts less."""
    targets = torch.tensor([[1.0, 2, 3], [-1, -2, -3]]).double()
    found = norms(regression(targets), components=["first", "last", "all"])
    assert found.dims == ("checkpoint", "component")
    np.testing.assert_allclose(found, [[0, 0, 0], [5**0.5, 2, 3]], rtol=1e-12)
    assert norms(regression(targets)).values.tolist() == [0, 3]


def test_another_distribution_and_held_out_data_have_gradients_of_their_own() -> None:
    zeros = torch.zeros(4, 3).double()
    others = {"shifted": {"y": zeros + torch.tensor([3.0, 4, 0]).double()}}
    testbed = regression(zeros, distributions=others)
    assert norms(testbed, distribution="shifted")[0] == pytest.approx(5, rel=1e-12)
    assert norms(testbed)[0] == 0
    held_out = regression(zeros, evaluation={"y": zeros + 1})
    assert norms(held_out)[0] == pytest.approx(3**0.5, rel=1e-12)


def test_pieces_of_the_data_weigh_what_they_hold() -> None:
    """Little memory makes pieces of unequal length, and the same gradient."""
    targets = torch.randn(29, 3, generator=torch.Generator().manual_seed(0)).double()
    testbed = regression(targets)
    assert testbed.points is not None
    found = posteriors(testbed, testbed.points(), sgld, Sampling(**SETTINGS), seed=0)
    whole, pieces = gradient_norms(found, MEMORY), gradient_norms(found, 1600)
    expected = (testbed.points().parameters["w"] - targets.mean(0)).norm(dim=1)
    np.testing.assert_allclose(whole[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)

"""Losses at w* against losses written down, and what is said where there is none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from quadratic import SETTINGS, losses

from stagewise.engine.centre_losses import losses_of_samples, observed_losses, reported_loss
from stagewise.engine.execution import EAGER, Mode
from stagewise.engine.posteriors import posteriors
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Observable, Points, Testbed

CENTRES = torch.tensor([[0.0, 0], [1, -2], [3, 1]]).double()
DATA = {"y": torch.randn(29, 2, generator=torch.Generator().manual_seed(0)).double()}
FEW = {"y": torch.ones(3, 2).double()}
OBSERVED = SETTINGS | {"observables": {"few": Observation()}}


def expected(of: torch.Tensor) -> Any:
    return ((CENTRES[:, None] - of) ** 2).sum(-1).numpy() / 2


def quadratic(centres: torch.Tensor, **others: Any) -> Testbed:
    points = Points({"w": centres}, pd.DataFrame({"step": range(len(centres))}))
    observables = {"few": Observable(losses, FEW)}
    return Testbed(
        "quadratic", losses, DATA, points=lambda: points, observables=observables, **others
    )


@pytest.mark.parametrize("mode", [EAGER, Mode(compile=False, alone=True, own=True)])
def test_losses_are_those_at_the_checkpoints(mode: Mode) -> None:
    testbed = quadratic(CENTRES, evaluation=FEW)
    assert testbed.points is not None
    found = posteriors(testbed, testbed.points(), sgld, Sampling(**OBSERVED), seed=0)
    np.testing.assert_allclose(reported_loss(found, mode), expected(FEW["y"]).mean(1), rtol=1e-12)
    samples = losses_of_samples(found, 1600, mode)
    np.testing.assert_allclose(samples, expected(DATA["y"]), rtol=1e-12)
    few = observed_losses(found, 1600)
    np.testing.assert_allclose(few["few"], expected(FEW["y"]), rtol=1e-12)


def test_a_loss_that_is_none_is_named() -> None:
    centres = CENTRES.clone()
    centres[1, 0] = torch.inf
    testbed = quadratic(centres)
    assert testbed.points is not None
    with pytest.raises(ValueError, match="the loss at checkpoint 1 itself is not finite"):
        sample(testbed, testbed.points(), sgld, Sampling(**OBSERVED), seed=0, report=silent)

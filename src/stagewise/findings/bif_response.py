"""Fluctuation and response by sampling: what more weight on a sample does to all losses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Batch, Parameters, Testbed


@dataclass(frozen=True)
class Response:
    """How responses are sampled."""

    samples: int
    """Training samples whose weight is changed, one at a time."""
    shift: float
    """By how much, up and down."""
    chains: int
    steps: int


def responses(
    testbed: Testbed,
    settings: Response,
    samples: Sequence[int],
    *,
    nbeta: float,
    localization: float,
    epsilon: float,
    seed: int,
) -> NDArray[np.float64]:
    """(E[l_j] at weight 1 + d of sample i - E[l_j] at 1 - d) / (2 d), (i, chain, j).

    Both sides of full-batch SGLD with the same noise, so that the difference has little of it;
    the first fifth of the steps is burn-in. `epsilon` is in units of the largest curvature.
    """
    assert testbed.points is not None
    points = testbed.points()
    sampling = Sampling(
        kernel="sgld",
        n=[nbeta],
        beta=1.0,
        localization=localization,
        epsilon=epsilon,
        epsilon_unit="curvature",
        steps=settings.steps,
        burn_in=settings.steps // 5,
        thin=2,
        chains=settings.chains,
        observables={"data": Observation()},
    )

    def expected(place: int, shift: float) -> NDArray[np.float64]:
        changed = _reweighted(testbed, place, 1 + shift)
        draws = sample(changed, points, sgld, sampling, seed=seed, report=silent)
        return draws.data_loss.values[0, 0].mean(1, dtype=np.float64)

    up_and_down = [
        expected(place, settings.shift) - expected(place, -settings.shift) for place in samples
    ]
    return np.stack(up_and_down) / (2 * settings.shift)


def _reweighted(testbed: Testbed, place: int, weight: float) -> Testbed:
    """The same with one sample's loss multiplied, in what is sampled but not in what is seen."""
    weights = torch.ones(testbed.samples or 0, dtype=torch.float64)
    weights[place] = weight

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return weights[batch["sample"]] * testbed.losses(w, constants, batch)

    return replace(testbed, losses=losses)

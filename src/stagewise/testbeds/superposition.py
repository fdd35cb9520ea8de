"""The toy model of superposition with one active feature (Chen et al. 2023, 2310.06301)."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Generator, Tensor

from stagewise.data.one_hot import as_vectors, one_hot_samples
from stagewise.models.superposition import (
    PrefixSums,
    empirical_loss,
    population_loss,
    prefix_sums,
    reconstruction_losses,
)
from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed
from stagewise.theory.superposition import parse_phase, polygon_parameters

ORIGIN = "origin"


@dataclass(frozen=True)
class Model:
    """Which points, or which start of training, on which loss."""

    features: int = 6
    """c; the hidden dimension is always 2."""
    points: list[str] = field(default_factory=list)
    """Known points: polygon phases such as "5+", or "origin"."""
    start: str | None = None
    """Phase that training starts from, perturbed."""
    start_noise: float = 0.01
    """Standard deviation of the perturbation of every weight and bias."""
    unused_bias: float = -0.5
    """Bias of the unused features of a phase that are not counted as positive. Known points need a
    negative one: at zero the point lies on a boundary of two phases."""
    samples: list[int] = field(default_factory=list)
    """Sizes of data sets; none: the population loss."""
    data_sets: int = 1
    """Independent data sets of each size, for known points."""

    def __post_init__(self) -> None:
        if bool(self.points) == (self.start is not None):
            raise ValueError("points: give either known points or the start of training")
        if self.points and self.unused_bias >= 0:
            raise ValueError(f"unused_bias: must be negative at known points, {self.unused_bias}")
        if self.start is not None and (len(self.samples) != 1 or self.data_sets != 1):
            raise ValueError("samples: training needs one data set")
        if self.data_sets < 1 or any(size < 1 for size in self.samples):
            raise ValueError("samples: sizes and the number of data sets must be positive")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The model f(x) = ReLU(W^T W x + b) with loss |x - f(x)|^2, not halved, in two forms.

    Known points have the population loss or, with `samples`, the exact mean loss over data sets
    of these sizes; a trained model has one data set of single samples. Index columns of points:
    step, phase, loss_population, samples (0: population) and data_set.
    """
    model = build_settings(Model, settings, "superposition.model")
    sets = [
        (size, number, one_hot_samples(size, model.features, generator(seed, "data", size, number)))
        for size in model.samples
        for number in range(model.data_sets)
    ]
    if model.start is not None:
        return _trained(model, model.start, *sets[0][2])
    if not sets:
        return Testbed(
            name="superposition",
            losses=lambda w, constants, batch: population_loss(w["W"], w["b"])[None],
            points=lambda: _points(model, [(0, 0)]),
        )
    statistics = prefix_sums([data for _, _, data in sets], model.features)
    return Testbed(
        name="superposition",
        losses=lambda w, constants, batch: _whole(w, statistics, constants["data"])[None],
        points=lambda: _points(model, [(size, number) for size, number, _ in sets]),
    )


def _trained(model: Model, start: str, feature: Tensor, mu: Tensor) -> Testbed:
    statistics = prefix_sums([(feature, mu)], model.features)
    first = torch.zeros((), dtype=torch.int64)
    W, b = _phase(model, start)

    def initial(stream: Generator) -> dict[str, Tensor]:
        noise = [torch.randn(t.shape, generator=stream, dtype=t.dtype) for t in (W, b)]
        return {
            "W": W + model.start_noise * noise[0],
            "b": b + model.start_noise * noise[1],
        }

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return reconstruction_losses(w["W"], w["b"], batch["x"])

    return Testbed(
        name="superposition",
        losses=losses,
        whole=lambda w, constants: _whole(w, statistics, first),
        data={"x": as_vectors(feature, mu, model.features)},
        initial=initial,
        metrics={"loss_population": lambda w, constants: population_loss(w["W"], w["b"])},
    )


def _whole(w: Parameters, statistics: PrefixSums, number: Tensor) -> Tensor:
    return empirical_loss(w["W"], w["b"], statistics, number)


def _phase(model: Model, phase: str) -> tuple[Tensor, Tensor]:
    if phase == ORIGIN:
        zeros = torch.zeros(2, model.features, dtype=torch.float64)
        return zeros, zeros[0].clone()
    k, positive = parse_phase(phase)
    W, b = polygon_parameters(k, model.features, positive=positive)
    b[k + positive :] = model.unused_bias
    return torch.from_numpy(W), torch.from_numpy(b)


def _points(model: Model, sets: list[tuple[int, int]]) -> Points:
    """Every point on every data set."""
    rows = [
        (phase, number, *set_) for phase in model.points for number, set_ in enumerate(sets)
    ]
    placed = [_phase(model, phase) for phase, *_ in rows]
    index = pd.DataFrame(
        {
            "step": 0,
            "phase": [phase for phase, *_ in rows],
            "loss_population": [float(population_loss(W, b)) for W, b in placed],
            "samples": [size for _, _, size, _ in rows],
            "data_set": [number for *_, number in rows],
        }
    )
    return Points(
        {
            "W": torch.stack([W for W, _ in placed]),
            "b": torch.stack([b for _, b in placed]),
        },
        index,
        {"data": torch.tensor([place for _, place, *_ in rows])},
    )

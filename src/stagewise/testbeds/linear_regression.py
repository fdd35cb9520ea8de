"""Linear regressions at least squares, where covariances of losses are known exactly."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Points, Testbed


@dataclass(frozen=True)
class Model:
    """Sizes of the regressions, and how many there are."""

    samples: int
    """Of each task."""
    features: int
    """That each task sees."""
    noise: float = 1.0
    """Standard deviation of the labels' noise."""
    tasks: int = 1
    """1, or 2 tasks with weights in common."""
    shared: list[int] = field(default_factory=list)
    """Of two tasks, features that both see; one point for each number."""
    data_sets: int = 1
    """Independent ones, one point each."""
    blocks: int = 0
    """Components of as many features each as divide them evenly."""

    def __post_init__(self) -> None:
        for name in ("samples", "features", "data_sets"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if self.samples < self.features:
            raise ValueError(
                f"samples: at least features = {self.features} are needed, got {self.samples}"
            )
        if self.noise < 0:
            raise ValueError(f"noise: must not be negative, got {self.noise}")
        if self.tasks not in (1, 2):
            raise ValueError(f"tasks: must be 1 or 2, got {self.tasks}")
        if (self.tasks == 2) != bool(self.shared):
            raise ValueError(f"shared: goes with 2 tasks, and only with them, got {self.shared}")
        if self.blocks < 0 or (self.blocks and self.features % self.blocks):
            raise ValueError(
                f"blocks: must divide the {self.features} features evenly, got {self.blocks}"
            )
        if self.blocks and self.tasks == 2:
            raise ValueError("blocks: go with one task")
        if any(not 0 <= number <= self.features for number in self.shared):
            raise ValueError(f"shared: must be from 0 to features, got {self.shared}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """l_i(w) = (y_i - x_i.w)^2 / 2 of fixed data, at its least squares; `seed` draws the data.

    Inputs and the true weights are standard normal. Of two tasks with k shared features of d, the
    model has 2 d - k weights: the inputs of the first task are 0 beyond the first d features, those
    of the second before the last d; the samples of the first task come first.

    A point for each data set and number of shared features. Index columns: data_set, shared (-1
    for one task), curvature (the largest eigenvalue of H = X^T X / n). Constants: x (checkpoint,
    sample, feature) and y (checkpoint, sample); with fewer shared features there are more weights,
    and masks say which a point has. Observable: data, the loss of each sample. Components: block0,
    block1, ..., successive features.
    """
    model = build_settings(Model, settings, "linear_regression.model")
    data = {"sample": torch.arange(model.tasks * model.samples)}
    return Testbed(
        name="linear_regression",
        losses=losses,
        data=data,
        points=lambda: _points(model, seed),
        components={f"block{k}": {"w": own} for k, own in enumerate(_blocks(model))},
        observables={"data": Observable(losses, data)},
    )


def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    """(y - x.w)^2 / 2 of each sample of the batch."""
    x, y = constants["x"][batch["sample"]], constants["y"][batch["sample"]]
    return (y - x @ w["w"]).square() / 2


def _blocks(model: Model) -> list[Tensor]:
    """The features of each block, as masks."""
    places = torch.arange(model.features)
    size = model.features // model.blocks if model.blocks else 0
    return [places // size == block for block in range(model.blocks)]


def _points(model: Model, seed: int) -> Points:
    inputs, labels, exists, rows = [], [], [], []
    widest = model.features if model.tasks == 1 else 2 * model.features - min(model.shared)
    for data_set in range(model.data_sets):
        for shared in model.shared or [-1]:
            x, width = _inputs(model, shared, generator(seed, "inputs", data_set))
            stream = generator(seed, "labels", data_set)
            truth = torch.randn(width, generator=stream, dtype=x.dtype)
            noise = torch.randn(len(x), generator=stream, dtype=x.dtype)
            labels.append(x @ truth + model.noise * noise)
            inputs.append(torch.nn.functional.pad(x, (0, widest - width)))
            exists.append(torch.arange(widest) < width)
            curvature = float(torch.linalg.matrix_norm(x, 2) ** 2 / len(x))
            rows.append({"step": 0, "data_set": data_set, "shared": shared, "curvature": curvature})
    x, y = torch.stack(inputs), torch.stack(labels)
    # The pseudo-inverse leaves weights that a point has not at zero.
    weights = (torch.linalg.pinv(x) @ y[..., None])[..., 0]
    return Points({"w": weights}, pd.DataFrame(rows), {"x": x, "y": y}, {"w": torch.stack(exists)})


def _inputs(model: Model, shared: int, stream: torch.Generator) -> tuple[Tensor, int]:
    """Inputs (sample, feature) of all tasks, and the number of features."""
    shape = (model.tasks * model.samples, model.features)
    drawn = torch.randn(shape, generator=stream, dtype=torch.float64)
    if model.tasks == 1:
        return drawn, model.features
    own = model.features - shared
    first = torch.nn.functional.pad(drawn[: model.samples], (0, own))
    second = torch.nn.functional.pad(drawn[model.samples :], (own, 0))
    return torch.cat([first, second]), model.features + own

"""Straight lines fitted to noisy data: a regular model of two parameters."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Testbed


@dataclass(frozen=True)
class Model:
    """The data of one run."""

    samples: int
    """Points on the line."""
    noise: float = 0.1
    """Standard deviation of the observations."""

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"samples: must be at least 2, got {self.samples}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """y = 2 x - 1 + noise at `samples` places, fitted by w_0 x + w_1."""
    model = build_settings(Model, settings, "line.model")
    stream = generator(seed, "data")
    x = torch.randn(model.samples, generator=stream)
    y = 2 * x - 1 + model.noise * torch.randn(model.samples, generator=stream)
    return Testbed(name="line", losses=_losses, data={"x": x, "y": y}, initial=_initial)


def _initial(stream: Generator) -> dict[str, Tensor]:
    return {"w": torch.randn(2, generator=stream)}


def _losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    predicted = w["w"][0] * batch["x"] + w["w"][1]  # (sample,)
    return (predicted - batch["y"]).square() / 2

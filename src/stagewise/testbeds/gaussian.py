"""Quadratic losses of random spectra, whose local posterior is Gaussian; regular models unless
they are given flat directions."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed


@dataclass(frozen=True)
class Model:
    """How the spectra are drawn."""

    count: int
    """Quadratics."""
    dimensions: list[int]
    """Least and greatest dimension, drawn uniformly."""
    decades: float = 1.0
    """The curvatures of one quadratic are 10^u, u uniform on [-decades, 0]."""
    flat: int = 0
    """Further directions of each quadratic, along which it is constant."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count: must be at least 1, got {self.count}")
        if len(self.dimensions) != 2 or not 1 <= self.dimensions[0] <= self.dimensions[1]:
            raise ValueError(f"dimensions: must be [least, greatest], got {self.dimensions}")
        if self.decades < 0:
            raise ValueError(f"decades: must not be negative, got {self.decades}")
        if self.flat < 0:
            raise ValueError(f"flat: must not be negative, got {self.flat}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """L(w) = (1/2) sum_i h_i w_i^2 with the minimum at the origin; `seed` draws the spectra."""
    model = build_settings(Model, settings, "gaussian.model")
    return Testbed(name="gaussian", losses=_losses, points=lambda: _points(model, seed))


def _losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    return (constants["h"] * w["w"].square()).sum()[None] / 2


def _points(model: Model, seed: int) -> Points:
    stream = generator(seed, "spectra")
    least, greatest = model.dimensions
    sizes = torch.randint(least, greatest + 1, (model.count,), generator=stream)
    powers = torch.rand(model.count, greatest, generator=stream, dtype=torch.float64)
    exists = torch.arange(greatest) < sizes[:, None]
    h = 10 ** (-model.decades * powers) * exists
    h = torch.nn.functional.pad(h, (0, model.flat))
    index = pd.DataFrame(
        {
            "step": 0,
            "kind": "gaussian",
            "spectrum": [
                " ".join(map(repr, row[:size])) for row, size in zip(h.tolist(), sizes, strict=True)
            ],
            "curvature": h.max(1).values.numpy(),
            "flat": model.flat,
        }
    )
    masks = torch.nn.functional.pad(exists, (0, model.flat), value=True)
    return Points({"w": torch.zeros_like(h)}, index, {"h": h}, {"w": masks})

"""The model y = u c x, whose minima are two crossing lines: the least singular regression."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Points, Testbed


@dataclass(frozen=True)
class Model:
    """The data, and the places."""

    samples: int
    centres: list[list[float]]
    """(u, c), a point each."""

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"samples: at least 2 are needed, got {self.samples}")
        if not self.centres or any(len(centre) != 2 for centre in self.centres):
            raise ValueError(f"centres: must be pairs of numbers, got {self.centres}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """l_i(u, c) = (y_i - u c x_i)^2 / 2 of data with mean x^2 = 1 and sum x y = 0; `seed` draws
    them.

    So L = u^2 c^2 / 2 up to a constant. Index columns of the points: u, c. Constants: x and y
    (checkpoint, sample). Components: u and c. Observable: data, the loss of each sample.
    """
    model = build_settings(Model, settings, "scalar_product.model")
    data = {"sample": torch.arange(model.samples)}
    one = torch.ones((), dtype=torch.bool)
    return Testbed(
        name="scalar_product",
        losses=losses,
        data=data,
        points=lambda: _points(model, seed),
        components={"u": {"u": one}, "c": {"c": one}},
        observables={"data": Observable(losses, data)},
    )


def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    """(y - u c x)^2 / 2 of each sample of the batch."""
    x, y = constants["x"][batch["sample"]], constants["y"][batch["sample"]]
    return (y - w["u"] * w["c"] * x).square() / 2


def _points(model: Model, seed: int) -> Points:
    stream = generator(seed, "data")
    x, y = torch.randn((2, model.samples), generator=stream, dtype=torch.float64)
    x = x / x.square().mean().sqrt()
    y = y - x * (x @ y) / (x @ x)
    u, c = torch.tensor(model.centres, dtype=torch.float64).T
    index = pd.DataFrame({"step": 0, "u": u.numpy(), "c": c.numpy()})
    constants = {name: value.expand(len(u), -1).clone() for name, value in (("x", x), ("y", y))}
    return Points({"u": u, "c": c}, index, constants)

"""Potentials with known learning coefficients: monomials, sums of powers, two components."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed


@dataclass(frozen=True)
class Potential:
    """One potential K and the point its posterior is tethered to."""

    k: list[int]
    """Exponents: halves of the powers of a monomial, even powers of a sum, (K1, K2) of the two
    components."""
    h: list[int] | None = None
    """Prior exponents of a monomial: density |w_j|^h_j; by default zeros."""
    centre: list[float] | None = None
    """w*; by default the origin."""
    curvature: float | None = None
    """Largest second derivative of K that a chain meets, the unit of the step size."""


@dataclass(frozen=True)
class Model:
    """A family of potentials of one kind, all stepped together."""

    kind: Literal["monomial", "sum", "components"]
    potentials: list[Potential]
    scale: float = 1.0
    """Factor of K; the regression y = p(w) x + noise of sd sigma has 1 / (2 sigma^2)."""


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The family as a testbed of known points; `seed` is not used, nothing here is random.

    monomial    K = scale |v_1|^(2 k_1) |v_2|^(2 k_2), v_j in R^(h_j + 1). The radius of an
                (h + 1)-dimensional vector has density proportional to r^h, so a flat prior on
                the vectors is the prior |w_1|^h_1 |w_2|^h_2 on the radii w_j = |v_j|, without
                its singular gradient.
    sum         K = scale sum_i w_i^(k_i)
    components  K = scale ((w_1 - 1)^k_1 (w_1^2 + w_2^2)^k_2)^2
    (Lau et al. 2023, 2308.12108 v1.)
    """
    model = build_settings(Model, settings, "polynomial.model")
    losses = {"monomial": _monomial, "sum": _sum, "components": _components}[model.kind]
    return Testbed(
        name="polynomial",
        losses=lambda w, constants, batch: model.scale * losses(w, constants, batch),
        points=lambda: _points(model),
    )


def _monomial(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    squares = w["w"].square().sum(-1)  # (2, width) -> (2,)
    return torch.pow(squares, constants["k"]).prod()[None]


def _sum(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    powers = torch.pow(w["w"].abs(), constants["k"])  # (width,)
    return (powers * (constants["k"] > 0)).sum()[None]


def _components(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
    first, second = w["w"][0], w["w"][1]
    radius = first.square() + second.square()
    line = torch.pow((first - 1).square(), constants["k"][0])
    return (line * torch.pow(radius, 2 * constants["k"][1]))[None]


def _points(model: Model) -> Points:
    index = pd.DataFrame(
        {
            "step": 0,
            "k": [",".join(map(str, p.k)) for p in model.potentials],
            "h": [",".join(map(str, p.h or [0] * len(p.k))) for p in model.potentials],
        }
    )
    if all(p.curvature is not None for p in model.potentials):
        index["curvature"] = [model.scale * float(p.curvature or 0) for p in model.potentials]
    count = len(model.potentials)
    width = max(len(p.k) for p in model.potentials)
    k = torch.zeros(count, width, dtype=torch.float64)
    for row, potential in enumerate(model.potentials):
        k[row, : len(potential.k)] = torch.tensor(potential.k)
    if model.kind == "monomial":
        prior = [p.h or [0] * len(p.k) for p in model.potentials]
        longest = 1 + max(max(h) for h in prior)
        exists = torch.arange(longest) <= torch.tensor(prior)[:, :, None]
        return Points(
            {"w": torch.zeros(exists.shape, dtype=torch.float64)}, index, {"k": k}, {"w": exists}
        )
    centre = torch.zeros(count, width, dtype=torch.float64)
    for row, potential in enumerate(model.potentials):
        if potential.centre is not None:
            centre[row] = torch.tensor(potential.centre, dtype=torch.float64)
    return Points({"w": centre}, index, {"k": k}, {"w": (k > 0) | (model.kind == "components")})

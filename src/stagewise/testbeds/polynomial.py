"""Potentials with known learning coefficients: monomials, sums of powers, two components."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed
from stagewise.theory.stiffness import monomial_stiffness, sum_stiffness


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
class Random:
    """Potentials drawn at random, beside those that are listed."""

    count: int
    stiff_at: list[float]
    """(n beta, gamma) of the posterior whose stiffness is the unit of the step size."""
    greatest_k: int = 4
    """Monomials: k_j uniform on 0, ..., greatest_k, not both 0. Sums: powers uniform on 2, 4, ...,
    2 greatest_k."""
    greatest_h: int = 0
    """Monomials: h_j uniform on 0, ..., greatest_h."""
    greatest_width: int = 2
    """Sums: 1 to this many coordinates."""

    def __post_init__(self) -> None:
        for name in ("count", "greatest_k", "greatest_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"random.{name}: must be at least 1, got {getattr(self, name)}")
        if len(self.stiff_at) != 2 or min(self.stiff_at) <= 0:
            raise ValueError(f"random.stiff_at: must be [n beta, gamma], got {self.stiff_at}")


@dataclass(frozen=True)
class Model:
    """A family of potentials of one kind, all stepped together."""

    kind: Literal["monomial", "sum", "components"]
    potentials: list[Potential] = field(default_factory=list)
    scale: float = 1.0
    """Factor of K; the regression y = p(w) x + noise of sd sigma has 1 / (2 sigma^2)."""
    random: Random | None = None

    def __post_init__(self) -> None:
        if not self.potentials and self.random is None:
            raise ValueError("potentials: must not be empty without `random`")
        if self.random is not None and self.kind == "components":
            raise ValueError("random: there are no random potentials of two components")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The family as a testbed of known points; `seed` draws the random potentials.

    monomial    K = scale |v_1|^(2 k_1) |v_2|^(2 k_2), v_j in R^(h_j + 1). The radius of an
                (h + 1)-dimensional vector has density proportional to r^h, so a flat prior on
                the vectors is the prior |w_1|^h_1 |w_2|^h_2 on the radii w_j = |v_j|, without
                its singular gradient.
    sum         K = scale sum_i w_i^(k_i)
    components  K = scale ((w_1 - 1)^k_1 (w_1^2 + w_2^2)^k_2)^2
    (Lau et al. 2023, 2308.12108 v1.)
    """
    model = build_settings(Model, settings, "polynomial.model")
    potentials = model.potentials + (_drawn(model, model.random, seed) if model.random else [])
    losses = {"monomial": _monomial, "sum": _sum, "components": _components}[model.kind]
    return Testbed(
        name="polynomial",
        losses=lambda w, constants, batch: model.scale * losses(w, constants, batch),
        points=lambda: _points(model, potentials),
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


def _drawn(model: Model, random: Random, seed: int) -> list[Potential]:
    stream = generator(seed, "potentials", model.kind)
    n_beta, localization = random.stiff_at

    def integer(least: int, greatest: int) -> int:
        return int(torch.randint(least, greatest + 1, (1,), generator=stream))

    def potential() -> Potential:
        if model.kind == "sum":
            width = integer(1, random.greatest_width)
            k = [2 * integer(1, random.greatest_k) for _ in range(width)]
            return Potential(k, curvature=sum_stiffness(k, n_beta=n_beta * model.scale))
        k = [0, 0]
        while not any(k):
            k = [integer(0, random.greatest_k) for _ in range(2)]
        h = [integer(0, random.greatest_h) for _ in range(2)]
        stiffness = monomial_stiffness(k, h, n_beta=n_beta * model.scale, localization=localization)
        return Potential(k, h, curvature=stiffness)

    return [potential() for _ in range(random.count)]


def _points(model: Model, potentials: list[Potential]) -> Points:
    index = pd.DataFrame(
        {
            "step": 0,
            "kind": model.kind,
            "scale": model.scale,
            "k": [",".join(map(str, p.k)) for p in potentials],
            "h": [",".join(map(str, p.h or [0] * len(p.k))) for p in potentials],
        }
    )
    if all(p.curvature is not None for p in potentials):
        index["curvature"] = [model.scale * float(p.curvature or 0) for p in potentials]
    count = len(potentials)
    width = max(len(p.k) for p in potentials)
    k = torch.zeros(count, width, dtype=torch.float64)
    for row, potential in enumerate(potentials):
        k[row, : len(potential.k)] = torch.tensor(potential.k)
    if model.kind == "monomial":
        prior = [p.h or [0] * len(p.k) for p in potentials]
        longest = 1 + max(max(h) for h in prior)
        exists = torch.arange(longest) <= torch.tensor(prior)[:, :, None]
        return Points(
            {"w": torch.zeros(exists.shape, dtype=torch.float64)}, index, {"k": k}, {"w": exists}
        )
    centre = torch.zeros(count, width, dtype=torch.float64)
    for row, potential in enumerate(potentials):
        if potential.centre is not None:
            centre[row] = torch.tensor(potential.centre, dtype=torch.float64)
    return Points({"w": centre}, index, {"k": k}, {"w": (k > 0) | (model.kind == "components")})

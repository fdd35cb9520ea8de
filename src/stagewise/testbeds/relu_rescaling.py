"""Two-layer relu networks at their own teacher, rescaled without changing the function."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.func import vmap

from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed


@dataclass(frozen=True)
class Model:
    """Sizes of the networks, how many there are, and their rescalings."""

    inputs: int = 4
    hidden: int = 4
    samples: int = 256
    """Fixed standard normal inputs."""
    teachers: int = 6
    scales: list[float] = field(default_factory=lambda: [0.25, 0.5, 1.0, 2.0, 4.0])

    def __post_init__(self) -> None:
        if self.hidden > self.inputs:
            raise ValueError(
                f"hidden: at most inputs = {self.inputs} rows can be orthonormal, got {self.hidden}"
            )
        if min(self.scales) <= 0:
            raise ValueError(f"scales: must be positive, got {self.scales}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """Networks f(x) = second relu(first x) at known minima; `seed` chooses teachers and inputs.

    The points are the rescalings first -> a first, second -> second / a of random teachers, at
    which f, and so the loss (f - f_teacher)^2 / 2 of a regression with unit noise and labels
    without noise, does not change (Lau et al. 2024, 2402.03698, rescaling figure). All of them
    are minima with zero loss, smooth points of the set of minima, where the coefficient is half
    the rank of the Jacobian of f on the data. Teachers have orthonormal rows of `first` and signs
    in `second`: their Hessian is as well conditioned as the rescaling lets it be, so that plain
    Langevin chains reach their stationary law. Index columns: teacher, scale, rank, coefficient.
    """
    model = build_settings(Model, settings, "relu_rescaling.model")
    inputs = torch.randn(
        model.samples, model.inputs, generator=generator(seed, "inputs"), dtype=torch.float64
    )

    def losses(w: Parameters, teacher: Parameters, batch: Batch) -> Tensor:
        wanted = outputs(teacher, batch["x"])
        return (outputs(w, batch["x"]) - wanted).square() / 2

    return Testbed(
        name="relu_rescaling",
        losses=losses,
        data={"x": inputs},
        points=lambda: _points(model, inputs, seed),
    )


def outputs(w: Parameters, inputs: Tensor) -> Tensor:
    """f(x) of each input: first (hidden, in), second (hidden,), inputs (sample, in)."""
    return torch.relu(inputs @ w["first"].T) @ w["second"]


def _points(model: Model, inputs: Tensor, seed: int) -> Points:
    firsts, seconds, teachers = [], [], []
    for teacher in range(model.teachers):
        stream = generator(seed, "teacher", teacher)
        shape = (model.hidden, model.inputs)
        gaussian = torch.randn(shape, generator=stream, dtype=torch.float64)
        first = torch.linalg.qr(gaussian.T).Q.T
        second = 2.0 * torch.randint(0, 2, (model.hidden,), generator=stream).double() - 1
        teachers += len(model.scales) * [{"first": first, "second": second}]
        firsts += [scale * first for scale in model.scales]
        seconds += [second / scale for scale in model.scales]
    parameters = {"first": torch.stack(firsts), "second": torch.stack(seconds)}
    ranks = jacobian_ranks(parameters, inputs)
    index = pd.DataFrame(
        {
            "step": 0,
            "teacher": [row // len(model.scales) for row in range(len(ranks))],
            "scale": model.teachers * model.scales,
            "rank": ranks.tolist(),
            "coefficient": (ranks / 2).tolist(),
        }
    )
    constants = {name: torch.stack([t[name] for t in teachers]) for name in ("first", "second")}
    return Points(parameters, index, constants)


def jacobian_ranks(parameters: Parameters, inputs: Tensor) -> Tensor:
    """Rank of the Jacobian (sample, d) of the function on the inputs, for each network (row,)."""

    def output(w: Parameters, x: Tensor) -> Tensor:
        return outputs(w, x[None])[0]

    ranks = []
    for row in range(len(parameters["first"])):
        # one copy of the weights for each input: the gradient of the sum is the Jacobian
        copies = {
            name: tensor[row].expand(len(inputs), *tensor.shape[1:]).clone().requires_grad_()
            for name, tensor in parameters.items()
        }
        total = vmap(output)(copies, inputs).sum()
        pieces = torch.autograd.grad(total, list(copies.values()))
        jacobian = torch.cat([piece.flatten(1) for piece in pieces], dim=1)
        ranks.append(torch.linalg.matrix_rank(jacobian, rtol=1e-9))
    return torch.stack(ranks)

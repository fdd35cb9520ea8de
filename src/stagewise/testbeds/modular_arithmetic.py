"""Perceptrons that add and multiply modulo a number: one network, or one for each task."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stagewise.models import mlp
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed

TASKS = ("add", "multiply")


@dataclass(frozen=True)
class Model:
    """What the two tasks share, and sizes."""

    sharing: Literal["everything", "outputs", "hidden", "nothing"]
    """everything: symbols of operands and of results. outputs: symbols of results, with operands of
    their own. hidden: neither, only the hidden layer. nothing: a network for each task."""
    modulus: int = 7
    hidden: int = 24
    """Width of the one hidden layer."""

    def __post_init__(self) -> None:
        for name in ("modulus", "hidden"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}: must be at least 2, got {getattr(self, name)}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """(a + b) mod p and a b mod p for all p^2 pairs each, as one classification of 2 p^2 samples
    (Adam et al. 2025, 2509.26537, as a toy); `seed` is that of the initial weights.

    Data: x, one-hot operands and, in one network, the task; y; task. Samples stand in the order of
    tasks, of a and of b. Loss: cross-entropy, nats. Outputs: the logits of all samples. Metrics:
    accuracy. Observables: train, the loss of each sample.
    """
    model = build_settings(Model, settings, "modular_arithmetic.model")
    data = _data(model)
    apart = model.sharing == "nothing"
    results = model.modulus * (2 if model.sharing == "hidden" else 1)
    widths = [data["x"].shape[1], model.hidden, results]

    def outputs(w: Parameters, batch: Batch) -> Tensor:
        return _of_towers(w, batch["x"], batch["task"]) if apart else mlp.logits(w, batch["x"])

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        found = outputs(w, batch)
        return torch.logsumexp(found, -1) - found.gather(-1, batch["y"][:, None])[:, 0]

    return Testbed(
        name="modular_arithmetic",
        losses=losses,
        data=data,
        initial=_initial(widths, apart=apart),
        metrics={
            "accuracy": lambda w, constants: (
                (outputs(w, data).argmax(-1) == data["y"]).double().mean()
            )
        },
        outputs=lambda w: outputs(w, _like(w, data)).flatten(),
        observables={"train": Observable(losses, data)},
    )


def _data(model: Model) -> dict[str, Tensor]:
    p = model.modulus
    grid = torch.cartesian_prod(torch.arange(2), torch.arange(p), torch.arange(p))
    task, a, b = grid.unbind(1)
    y = torch.where(task == 0, (a + b) % p, (a * b) % p)
    symbols = p
    if model.sharing in ("outputs", "hidden"):
        symbols, a, b = 2 * p, a + p * task, b + p * task
    if model.sharing == "hidden":
        y = y + p * task
    pieces = [one_hot(a, symbols), one_hot(b, symbols)]
    if model.sharing != "nothing":
        pieces.append(one_hot(task, 2))
    return {"x": torch.cat(pieces, 1).float(), "y": y, "task": task}


def _initial(widths: list[int], *, apart: bool) -> Callable[[torch.Generator], dict[str, Tensor]]:
    def of_towers(stream: torch.Generator) -> dict[str, Tensor]:
        return {
            f"{task}.{name}": tensor
            for task in TASKS
            for name, tensor in mlp.initial(widths, stream=stream).items()
        }

    return of_towers if apart else lambda stream: mlp.initial(widths, stream=stream)


def _of_towers(w: Parameters, inputs: Tensor, task: Tensor) -> Tensor:
    """Logits by the network of each sample's own task."""
    add, multiply = (
        mlp.logits(
            {name.removeprefix(f"{tower}."): w[name] for name in w if name.startswith(tower)},
            inputs,
        )
        for tower in TASKS
    )
    return torch.where(task[:, None] == 0, add, multiply)


def _like(w: Parameters, data: Batch) -> dict[str, Tensor]:
    """The data with inputs of the weights' precision."""
    return {**data, "x": data["x"].to(next(iter(w.values())).dtype)}

"""One model by itself: its losses and their gradient."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from stagewise.engine.flat import Shapes, unflatten
from stagewise.engine.replayed import Replayed

Losses = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
"""(parameters, constants, batch) -> (sample, ...), nats"""


def mean_loss(
    losses: Losses,
    parameters: Mapping[str, Tensor],
    constants: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
) -> Tensor:
    """Over the samples; ValueError if the losses are not per sample."""
    found = losses(parameters, constants, batch)
    if found.dim() != 1:
        raise ValueError(
            f"the loss of a testbed must be per sample, shape (sample,); "
            f"it has shape {tuple(found.shape)}"
        )
    return found.mean()


def slope(
    loss: Callable[[dict[str, Tensor]], Tensor],
    position: Tensor,
    shapes: Shapes,
    moving: Collection[str] | None,
) -> tuple[Tensor, Tensor]:
    """The loss, any number of entries, and the gradient of its sum at `position` (..., d): of the
    parameters `moving` if these are named, and zero for the others."""
    if moving is None:
        free = position.detach().requires_grad_()
        found = loss(unflatten(free, shapes))
        (gradient,) = torch.autograd.grad(found.sum(), free)
        return found.detach(), gradient
    parameters = unflatten(position.detach(), shapes)
    for name in moving:
        parameters[name] = parameters[name].clone().requires_grad_()
    found = loss(parameters)
    each = torch.autograd.grad(found.sum(), [parameters[name] for name in moving])
    slopes = dict(zip(moving, each, strict=True))
    before = position.shape[:-1]
    whole = [
        slopes.get(name, position.new_zeros(*before, *shape)).reshape(*before, -1)
        for name, shape in shapes.items()
    ]
    return found.detach(), torch.cat(whole, dim=-1)


class Single:
    """One model at a time, by tapes: the next call may write where these results stand."""

    def __init__(self, losses: Losses, shapes: Shapes) -> None:
        self._losses, self._shapes = losses, shapes
        self._gradient, self._each = Replayed(self._gradient_of), Replayed(self._each_of)
        self._loss = Replayed(self._loss_of)

    def gradient(
        self,
        position: Tensor,
        constants: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        moving: Collection[str] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean loss, and its gradient (d,) at `position` (d,)."""
        names = None if moving is None else tuple(moving)
        loss, gradient = self._gradient(names, named(position, constants, batch))
        return loss, gradient

    def loss(
        self, position: Tensor, constants: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Mean loss at `position` (d,)."""
        return self._loss(None, named(position, constants, batch))[0]

    def each(
        self, position: Tensor, constants: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Losses (sample, ...) at `position` (d,)."""
        return self._each(None, named(position, constants, batch))[0]

    def _gradient_of(self, moving: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        position, constants, batch = parts(inputs)
        with torch.enable_grad():
            return slope(
                lambda parameters: mean_loss(self._losses, parameters, constants, batch),
                position,
                self._shapes,
                moving,
            )

    def _loss_of(self, _: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        position, constants, batch = parts(inputs)
        return (mean_loss(self._losses, unflatten(position, self._shapes), constants, batch),)

    def _each_of(self, _: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        position, constants, batch = parts(inputs)
        return (self._losses(unflatten(position, self._shapes), constants, batch),)


def named(
    position: Tensor, constants: Mapping[str, Tensor], batch: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What a function of a model, or of many, depends on, as one mapping."""
    return {
        "position": position,
        **{f"constants.{name}": tensor for name, tensor in constants.items()},
        **{f"batch.{name}": tensor for name, tensor in batch.items()},
    }


def parts(named: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The inverse of `named`."""
    constants, batch = (
        {name.removeprefix(kind): t for name, t in named.items() if name.startswith(kind)}
        for kind in ("constants.", "batch.")
    )
    return named["position"], constants, batch

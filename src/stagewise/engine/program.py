"""Many small models as one program: their losses and gradients over flat parameter vectors."""

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from copy import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from stagewise.engine import half_products
from stagewise.engine.flat import Shapes, unflatten
from stagewise.engine.own_operations import own_operations
from stagewise.engine.replayed import Replayed
from stagewise.engine.single import Losses, Single, mean_loss, named, parts, slope

log = logging.getLogger("stagewise")

PLAIN = SDPBackend.MATH
"""Attention in plain tensor operations: fused attention can be neither mapped nor differentiated
twice."""


def _row(tensors: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
    return {name: tensor[row] for name, tensor in tensors.items()}


@cache
def _halves(device: str) -> bool:
    """Whether torch multiplies bfloat16 there, by its own account; says so if not."""
    if device == "cuda":
        found = torch.cuda.is_bf16_supported()
    else:
        found = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if not found:
        log.warning(
            "precision: bfloat16: no units for it here (%s), full precision is used", device
        )
    return bool(found)


def _in_half(losses: Losses) -> Losses:
    def call(
        parameters: Mapping[str, Tensor],
        constants: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
    ) -> Tensor:
        device = next(iter(parameters.values())).device.type
        if not _halves(device):
            return losses(parameters, constants, batch)
        with torch.autocast(device, torch.bfloat16, cache_enabled=False):
            return losses(parameters, constants, batch).float()

    return call


class Program:
    """Losses and gradients of many models at once.

    Only the loss is mapped over the rows: since no row's loss depends on another row, the
    gradient of their sum holds every row's own gradient.
    """

    def __init__(
        self,
        losses: Losses,
        shapes: Shapes,
        constants: Mapping[str, Tensor],
        *,
        rows: int,
        half: bool = False,
        alone: bool = False,
        own: bool = False,
        shares: int = 1,
    ) -> None:
        """With `half`, products of single-precision matrices are made in bfloat16. `alone` rows are
        visited one after another instead of together, as large models are soonest done; with `own`
        by our own kernels, but for `hessian_vector`. A row's own batch is made in so many `shares`
        side by side, where they divide it."""
        self._rounds = half and own and half_products.usable()
        self._losses = _in_half(losses) if half and not self._rounds else losses
        self._shapes = shapes
        self._constants = {1: dict(constants)}
        self._rows, self._alone, self._own, self._shares = rows, alone, own, shares
        self._single = Single(self._losses, shapes)
        self._together = Replayed(self._gradients_of)
        self._mapped = {
            shared: vmap(self._loss, in_dims=(0, 0, None if shared else 0))
            for shared in (True, False)
        }

    def _loss(
        self, parameters: dict[str, Tensor], constants: dict[str, Tensor], batch: dict[str, Tensor]
    ) -> Tensor:
        return mean_loss(self._losses, parameters, constants, batch)

    def _of(self, position: Tensor, batch: Mapping[str, Tensor], shared: bool) -> Tensor:
        constants = self._constants_for(len(position))
        if not self._by_turns(len(position)):
            return self._all(unflatten(position, self._shapes), constants, batch, shared)
        each = [
            self._loss(
                unflatten(one, self._shapes),
                _row(constants, row),
                dict(batch) if shared else _row(batch, row),
            )
            for row, one in enumerate(position)
        ]
        return torch.stack(each)

    def _all(
        self,
        parameters: dict[str, Tensor],
        constants: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
        shared: bool,
    ) -> Tensor:
        """Of all rows at once."""
        if not shared and self._shares > 1:
            return self._in_shares(parameters, constants, batch)
        with sdpa_kernel(PLAIN):
            found: Tensor = self._mapped[shared](parameters, dict(constants), dict(batch))
        return found

    def _in_shares(
        self,
        parameters: dict[str, Tensor],
        constants: Mapping[str, Tensor],
        batch: Mapping[str, Tensor],
    ) -> Tensor:
        """Of each row, the mean over shares of its batch, which are mapped like rows."""

        def repeated(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {
                name: t[:, None].expand(-1, self._shares, *t.shape[1:]).flatten(0, 1)
                for name, t in tensors.items()
            }

        cut = {name: t.unflatten(1, (self._shares, -1)).flatten(0, 1) for name, t in batch.items()}
        with sdpa_kernel(PLAIN):
            found: Tensor = self._mapped[False](repeated(parameters), repeated(constants), cut)
        return found.unflatten(0, (-1, self._shares)).mean(1)

    def _by_turns(self, rows: int) -> bool:
        # mapping one model costs more than a small model
        return self._alone or rows == self._shares == 1

    def over(self, constants: Mapping[str, Tensor], *, rows: int) -> "Program":
        """The same program for other rows; what one of them has recorded serves both."""
        other = copy(self)
        other._constants, other._rows = {1: dict(constants)}, rows
        return other

    def loss_and_gradient(
        self,
        position: Tensor,
        batch: Mapping[str, Tensor],
        *,
        shared: bool = True,
        moving: Collection[str] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean loss (row,) and gradient (row, d) at `position` (row, d).

        `batch` holds tensors (sample, ...) that all rows see, or, with shared=False,
        (row, sample, ...). With k times as many positions as rows, each row's constants serve
        k consecutive positions. Where `moving` names some of the parameters, the gradient of the
        others is not computed, but zero.
        """
        with torch.enable_grad(), self._ours():
            if self._by_turns(len(position)):
                return self._one_by_one(position, batch, shared, moving)
            kind = shared, None if moving is None else tuple(moving)
            given = named(position, self._constants_for(len(position)), batch)
            loss, gradient = self._together(kind, given)
        return loss.clone(), gradient.clone()  # a tape writes to the same memory again

    def _gradients_of(self, kind: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        (shared, moving), (position, constants, batch) = kind, parts(inputs)
        with torch.enable_grad():
            return slope(
                lambda parameters: self._all(parameters, constants, batch, shared),
                position,
                self._shapes,
                moving,
            )

    def _one_by_one(
        self,
        position: Tensor,
        batch: Mapping[str, Tensor],
        shared: bool,
        moving: Collection[str] | None,
    ) -> tuple[Tensor, Tensor]:
        """Losses and gradients of models by turns: of each, all before the next begins, so that
        what the second half of it needs is still in the cache."""
        constants = self._constants_for(len(position))
        losses: list[Tensor] = []
        gradients: list[Tensor] = []
        for row, one in enumerate(position.detach().unbind()):
            seen = dict(batch) if shared else _row(batch, row)
            loss, gradient = self._single.gradient(one, _row(constants, row), seen, moving)
            last = len(losses) == len(position) - 1  # what comes next may take its memory
            losses.append(loss if last else loss.clone())
            gradients.append(gradient if last else gradient.clone())
        return torch.stack(losses), torch.stack(gradients)

    def loss(self, position: Tensor, batch: Mapping[str, Tensor], *, shared: bool = True) -> Tensor:
        """Mean loss (row,) at `position`, without a gradient."""
        with torch.no_grad(), self._ours():
            if self._by_turns(len(position)):
                return self._visited(self._single.loss, position, batch, shared)
            return self._of(position, batch, shared)

    def each(self, position: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Losses (row, sample, ...) at `position`, before any mean, without a gradient.

        `batch` holds tensors (sample, ...) that all rows see; the losses of a sample may have
        further dimensions, of its tokens.
        """
        with torch.no_grad(), self._ours():
            if len(position) == 1 or self._alone:
                return self._visited(self._single.each, position, batch, True)
            mapped = vmap(self._losses, in_dims=(0, 0, None))
            with sdpa_kernel(PLAIN):
                constants = self._constants_for(len(position))
                return mapped(unflatten(position, self._shapes), constants, dict(batch))

    def _visited(
        self,
        call: Callable[..., Tensor],
        position: Tensor,
        batch: Mapping[str, Tensor],
        shared: bool,
    ) -> Tensor:
        """What the call, of a single model, finds of one row after another."""
        constants = self._constants_for(len(position))
        return torch.stack(
            [
                call(one, _row(constants, row), batch if shared else _row(batch, row)).clone()
                for row, one in enumerate(position)
            ]
        )

    def hessian_vector(
        self, position: Tensor, vector: Tensor, batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Hessian of the mean loss at each position times `vector`, both (row, d).

        By differentiating twice: exact also at networks with kinks (relu), where differences of
        gradients would count the kinks between the two points as curvature.
        """
        with torch.enable_grad(), sdpa_kernel(PLAIN):
            free = position.detach().requires_grad_()
            loss = self._of(free, batch, True)
            (gradient,) = torch.autograd.grad(loss.sum(), free, create_graph=True)
            slope = (gradient * vector).sum()
            if not slope.requires_grad:  # the loss is linear
                return torch.zeros_like(position)
            (product,) = torch.autograd.grad(slope, free)
        return product

    def _ours(self) -> AbstractContextManager[None]:
        return own_operations(self._own, half=self._rounds)

    def _constants_for(self, rows: int) -> dict[str, Tensor]:
        repeats, left = divmod(rows, self._rows)
        if left:
            raise ValueError(f"{rows} positions for {self._rows} rows: not a multiple")
        if repeats not in self._constants:
            self._constants[repeats] = {
                k: v.repeat_interleave(repeats, dim=0) for k, v in self._constants[1].items()
            }
        return self._constants[repeats]

"""How compiled steps lay out small models in memory: samples innermost.

Vector instructions work on 16 numbers that lie side by side. Of a model 2 to 16 wide, these must be
samples, not features: its matrix products then take a third to two thirds of a library's time.
"""

from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor

from stagewise.engine.own_operations import usable
from stagewise.engine.products import products, suits

NARROW = 16
"""Features up to which samples are laid innermost."""
FEW = 256
"""Entries of a matrix up to which products that it enters or leaves are written out as loops,
which merge with what stands around them; larger ones are made by a kernel, ours or a library's."""


def rewritten() -> dict[Any, Any]:
    """Operation -> what a trace puts in its place; NotImplemented leaves it as it is."""
    replaced: dict[Any, Any] = {
        torch.ops.aten.bmm.default: _products,
        torch.ops.aten.index.Tensor: _picked,
    }
    if usable():
        replaced[torch.ops.aten.mm.default] = _product
        replaced[torch.ops.aten.addmm.default] = _sum_and_product
    return replaced


def _products(first: Tensor, second: Tensor) -> Tensor:
    """Products of matrices, (row, a, k) @ (row, k, b)."""
    if usable() and suits(first, second):
        return products(first, second)
    high, inner, wide = first.shape[1], first.shape[2], second.shape[2]
    if wide < high and wide <= NARROW:
        return (second.mT @ first.mT).mT
    if high * inner <= FEW:
        terms = zip(first.unbind(2), second.unbind(1), strict=True)
        summands = [column[:, :, None] * line[:, None, :] for column, line in terms]
        return _stored(reduce(add, summands))
    if high * wide <= FEW:
        return (first[:, :, None, :] * second.mT[:, None, :, :]).sum(-1)
    return NotImplemented


def _product(first: Tensor, second: Tensor) -> Tensor:
    """One product of matrices, (a, k) @ (k, b)."""
    if suits(first[None], second[None]):
        return products(first[None], second[None])[0]
    return NotImplemented


def _sum_and_product(
    addend: Tensor, first: Tensor, second: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """A sum of a tensor and a product of matrices, (a, k) @ (k, b)."""
    if beta == alpha == 1 and suits(first[None], second[None]):
        return addend + products(first[None], second[None])[0]
    return NotImplemented


def _picked(data: Tensor, places: list[Tensor | None]) -> Tensor:
    """The samples at `places`, one tensor (row, sample), of data (sample, feature)."""
    place = places[0]
    if len(places) > 1 or place is None or place.dim() != 2 or place.is_floating_point():
        return NotImplemented
    if data.dim() != 2 or data.shape[1] > NARROW:
        return NotImplemented
    # first whole samples, then turned: to pick every feature by itself takes longer
    samples = _stored(data.index_select(0, place.flatten()).unflatten(0, place.shape))
    return _stored(samples.mT).mT


def _stored(tensor: Tensor) -> Tensor:
    """The tensor, written to memory once, in this order of its dimensions."""
    from torch._inductor.inductor_prims import force_stride_order

    return force_stride_order(tensor, torch.empty(tensor.shape, device="meta").stride())

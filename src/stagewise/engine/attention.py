"""Attention of small models by a kernel of our own, and its gradient.

A library's fused attention is made for long texts: of 64 places it spends most of its time on
getting ready. Here the scores of one head and one sample stay in the processor's first cache.
"""

from ctypes import c_float, c_int64, c_void_p
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from stagewise.engine.attention_kernel import ATTENTION
from stagewise.engine.machine_code import function

MOST = 512
"""Places up to which the scores of a head fit the processor's caches."""

WIDEST = 16
"""Numbers in a vector, at most."""


def suits(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether the kernel is the faster one: queries, keys and values (sample, head, place, size) in
    single precision on a processor, of few places."""
    alike = query.shape == key.shape == value.shape and query.dim() == 4
    single = all(t.dtype == torch.float32 for t in (query, key, value))
    return alike and single and query.device.type == "cpu" and 1 < query.shape[2] <= MOST


SIZES = (c_int64, c_int64, c_int64, c_int64, c_float, c_int64, c_int64)


def _run(
    name: str, read: list[Tensor], written: list[Tensor], norms: Tensor, causal: bool, scale: float
) -> None:
    """The kernel of that name on tensors (sample, head, place, size) that are read, and (sample,
    place, head, size) that are written; `norms` are what the softmaxes subtract and multiply by."""
    kernel = function(ATTENTION, name, (c_void_p,) * (len(read + written) + 2) + SIZES)
    strides = [stride for tensor in read for stride in tensor.stride()[:3]]
    kernel(
        *(tensor.data_ptr() for tensor in (*read, *written, norms)),
        (c_int64 * len(strides))(*strides),
        *read[0].shape,
        scale,
        int(causal),
        torch.get_num_threads(),
    )


def _results(like: Tensor, count: int) -> list[Tensor]:
    samples, heads, places, size = like.shape
    return [like.new_empty(samples, places, heads, size) for _ in range(count)]


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float
    ) -> Tensor:
        given = [_by_number(tensor) for tensor in (query, key, value)]
        samples, heads, places, _ = query.shape
        norms = query.new_empty(samples, heads, 2, -(-places // WIDEST) * WIDEST)
        context.save_for_backward(*given, norms)
        context.settings = causal, scale
        found = _results(query, 1)
        _run("forward", given, found, norms, causal, scale)
        return found[0].transpose(1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        *given, norms = context.saved_tensors
        given.append(_by_number(slopes[0]))
        found = _results(given[0], 3)
        _run("backward", given, found, norms, *context.settings)
        return *(tensor.transpose(1, 2) for tensor in found), None, None


def _by_number(tensor: Tensor) -> Tensor:
    """With the numbers of one head and place side by side."""
    return tensor if tensor.stride(3) == 1 else tensor.contiguous()


def attention(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool, scale: float | None = None
) -> Tensor:
    """softmax(scale q k^T) v, (sample, head, place, size) from three of that shape.

    With `causal` a place sees itself and what comes before it; `scale` is one over the square root
    of the size by default. Can be differentiated once.
    """
    if scale is None:
        scale = 1 / sqrt(query.shape[-1])
    found: Tensor = _Attention.apply(query, key, value, causal, scale)
    return found

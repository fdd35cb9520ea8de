"""Attention of small models by a kernel of our own, and its gradient.

A library's fused attention is made for long texts: of 64 places it spends most of its time on
getting ready. Here the scores of one head and one sample stay in the processor's first cache.
"""

from ctypes import c_float, c_int64, c_void_p
from math import sqrt

import torch
from torch import Tensor

from stagewise.engine.attention_kernel import ATTENTION
from stagewise.engine.machine_code import function, run

MOST = 512
"""Places up to which the scores of a head fit the processor's caches."""


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
    place, head, size) that are written."""
    kernel = function(ATTENTION, name, (c_void_p,) * (len(read + written) + 2) + SIZES)
    strides = [stride for tensor in read for stride in tensor.stride()[:3]]
    run(
        kernel,
        (*read, *written, norms),
        (c_int64 * len(strides))(*strides),
        *read[0].shape,
        scale,
        int(causal),
        torch.get_num_threads(),
    )


def _results(like: Tensor, count: int) -> list[Tensor]:
    samples, heads, places, size = like.shape
    return [like.new_empty(samples, places, heads, size) for _ in range(count)]


def _by_number(tensor: Tensor) -> Tensor:
    """With the numbers of one head and place side by side."""
    return tensor if tensor.stride(3) == 1 else tensor.contiguous()


def attended(
    query: Tensor, key: Tensor, value: Tensor, *, causal: bool, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """softmax(scale q k^T) v, (sample, head, place, size) from three of that shape, and log of the
    sum of exp(scale q k^T) over keys, (sample, head, place).

    With `causal` a place sees itself and what comes before it; `scale` is one over the square root
    of the size by default.
    """
    found, norms = _results(query, 1), query.new_empty(query.shape[:3])
    given = [_by_number(tensor) for tensor in (query, key, value)]
    _run("forward", given, found, norms, causal, _scale(scale, query))
    return found[0].transpose(1, 2), norms


def gradients(
    slope: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    norms: Tensor,
    *,
    causal: bool,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """For queries, keys and values, of what has the gradient `slope` for the first result of
    `attended`, whose second is `norms`."""
    found = _results(query, 3)
    given = [_by_number(tensor) for tensor in (query, key, value, slope)]
    _run("backward", given, found, norms.contiguous(), causal, _scale(scale, query))
    first, second, third = (tensor.transpose(1, 2) for tensor in found)
    return first, second, third


def _scale(scale: float | None, query: Tensor) -> float:
    return 1 / sqrt(query.shape[-1]) if scale is None else scale

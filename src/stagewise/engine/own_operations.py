"""Our kernels in place of torch's, where operations run one at a time.

They stand behind torch's own operations, as the processor's kernels of `mm`, `bmm`, `addmm`,
`logsumexp`, layer norms and fused attention: how a model calls these, and all derivatives but that
of `logsumexp`, stay torch's.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.library import Library, get_kernel

from stagewise.engine import attention, half_products, layer_norm, log_sum_exp, products
from stagewise.engine.machine_code import uncompiled

log = logging.getLogger("stagewise")

_wanted: ContextVar[products.Product | None] = ContextVar("own operations", default=None)
"""Our product of matrices, where our kernels are wanted."""


@cache
def usable() -> bool:
    """Whether our kernels can be compiled here, or have been by an earlier run; says so if not."""
    try:
        one = torch.ones(1, 1, 2, 16)
        products.multiplied(one[0], one[0].mT)
        out, norms = attention.attended(one, one, one, causal=True)
        attention.gradients(out, one, one, one, norms, causal=True)
        log_sum_exp.log_sum_exp(one)
        layer_norm.normed(one, one[0, 0, 0], one[0, 0, 0], 1.0)
    except Exception as error:
        # whatever a compiler can fail with: torch has its own
        log.warning("%s: torch's kernels are used", uncompiled(error))
        return False
    return True


@contextmanager
def own_operations(wanted: bool = True, *, half: bool = False) -> Iterator[None]:
    """In this context, products of matrices, attention, layer norms and log-sum-exp of the sizes of
    small models in single precision on a processor are those of `products`, or with `half` of
    `half_products`, of `attention`, `layer_norm` and `log_sum_exp`; all else is torch's."""
    if not wanted:
        yield
        return
    _registered()
    before = _wanted.set((half_products if half else products).multiplied)
    try:
        yield
    finally:
        _wanted.reset(before)


@cache
def _registered() -> Library:
    """Ours as kernels of torch's operations, for the rest of the process: outside of the context
    they hand on to torch's."""
    library = Library("aten", "IMPL")
    for key, ours in OURS.items():
        for name, kernel in ours.items():
            library.impl(name, _or_torch(name, kernel, key), key, with_keyset=True)
    return library


def _or_torch(name: str, ours: Callable[..., Any], key: str) -> Callable[..., Any]:
    theirs = get_kernel(f"aten::{name}", key)

    def call(keys: Any, *args: Any, **kwargs: Any) -> Any:
        found = None if _wanted.get() is None else ours(*args, **kwargs)
        return theirs.call_boxed(keys, *args, **kwargs) if found is None else found

    return call


def _mm(first: Tensor, second: Tensor) -> Tensor | None:
    found = _bmm(first[None], second[None])
    return None if found is None else found[0]


def _bmm(first: Tensor, second: Tensor) -> Tensor | None:
    fit = first.shape[2] == second.shape[1] and first.shape[0] == second.shape[0]
    product = _wanted.get() if fit and products.suits(first, second) else None
    return None if product is None else product(first, second)


def _addmm(
    addend: Tensor, first: Tensor, second: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor | None:
    found = _mm(first, second) if beta == alpha == 1 and addend.dtype == first.dtype else None
    return None if found is None else found.add_(addend)


def _attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor] | None:
    if attn_mask is not None or dropout_p or not attention.suits(query, key, value):
        return None
    return attention.attended(query, key, value, causal=is_causal, scale=scale)


def _attended_back(
    slope: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    norms: Tensor,
    dropout_p: float,
    is_causal: bool,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor, Tensor] | None:
    if attn_mask is not None or dropout_p or not attention.suits(query, key, value):
        return None
    return attention.gradients(slope, query, key, value, norms, causal=is_causal, scale=scale)


def _log_sum_exp(numbers: Tensor, dim: list[int], keepdim: bool = False) -> Tensor | None:
    if not log_sum_exp.suits(numbers, dim, keepdim):
        return None
    return log_sum_exp.log_sum_exp(numbers)


def _normed(
    numbers: Tensor, shape: list[int], scale: Tensor | None, shift: Tensor | None, epsilon: float
) -> tuple[Tensor, Tensor, Tensor] | None:
    if scale is None or shift is None or not layer_norm.suits(numbers, shape, scale, shift):
        return None
    return layer_norm.normed(numbers, scale, shift, epsilon)


def _normed_back(
    slope: Tensor,
    numbers: Tensor,
    shape: list[int],
    means: Tensor,
    inverses: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    wanted: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None] | None:
    if scale is None or not layer_norm.suits(numbers, shape, slope, means, inverses, scale):
        return None
    found = layer_norm.gradients(slope, numbers, means, inverses, scale)
    first, second, third = (one if ask else None for one, ask in zip(found, wanted, strict=True))
    return first, second, third


def _log_sum_exp_with_gradient(
    numbers: Tensor, dim: list[int], keepdim: bool = False
) -> Tensor | None:
    asked = torch.is_grad_enabled() and numbers.requires_grad
    if not asked or not log_sum_exp.suits(numbers, dim, keepdim):
        return None
    found: Tensor = log_sum_exp.LogSumExp.apply(numbers)
    return found


OURS: Mapping[str, Mapping[str, Callable[..., object]]] = {
    "CPU": {
        "mm": _mm,
        "bmm": _bmm,
        "addmm": _addmm,
        "logsumexp": _log_sum_exp,
        "native_layer_norm": _normed,
        "native_layer_norm_backward": _normed_back,
        "_scaled_dot_product_flash_attention_for_cpu": _attended,
        "_scaled_dot_product_flash_attention_for_cpu_backward": _attended_back,
    },
    "AutogradCPU": {"logsumexp": _log_sum_exp_with_gradient},
}
"""Of torch's kernels, by where torch dispatches them: what ours make of their arguments, or None
where these are not for us."""

KERNELS = frozenset(getattr(torch.ops.aten, name).default for name in OURS["CPU"])
"""What we have kernels of our own for."""
PARTLY = (torch.ops.aten.addmm.default,)
"""Of these, those where ours do more than call a kernel."""

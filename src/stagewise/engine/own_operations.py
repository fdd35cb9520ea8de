"""Our kernels in place of torch's, where operations run one at a time.

They stand behind torch's own operations, as the processor's kernels of `mm`, `bmm`, `addmm`,
`logsumexp`, layer norms and fused attention: how a model calls these, and all derivatives but that
of `logsumexp`, stay torch's.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.library import Library, get_kernel

from stagewise.engine import (
    attention,
    half_products,
    layer_norm,
    log_sum_exp,
    products,
    small_products,
)
from stagewise.engine.machine_code import uncompiled

log = logging.getLogger("stagewise")

Kernels = Mapping[tuple[str, str], Callable[..., Any]]
"""By operation of torch, and by where torch dispatches it: what we make of its arguments, or None
where these are not for us."""

_wanted: ContextVar[Kernels] = ContextVar("own operations", default=MappingProxyType({}))
"""Those in place of torch's."""


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
    with _instead(HALF if half else OURS) if wanted else nullcontext():
        yield


@contextmanager
def small_operations() -> Iterator[None]:
    """In this context, products of many small matrices are those of `small_products`, too."""
    others, bmm = _wanted.get(), ("bmm", "CPU")
    with _instead({**others, bmm: partial(_small_bmm, others.get(bmm))}):
        yield


@contextmanager
def _instead(kernels: Kernels) -> Iterator[None]:
    for name, key in kernels:
        _registered(name, key)
    before = _wanted.set(kernels)
    try:
        yield
    finally:
        _wanted.reset(before)


@cache
def _registered(name: str, key: str) -> Library:
    """Ours as the kernel of torch's operation, for the rest of the process: where it is not wanted
    it hands on to torch's."""
    theirs = get_kernel(f"aten::{name}", key)

    def call(keys: Any, *args: Any, **kwargs: Any) -> Any:
        ours = _wanted.get().get((name, key))
        found = None if ours is None else ours(*args, **kwargs)
        return theirs.call_boxed(keys, *args, **kwargs) if found is None else found

    library = Library("aten", "IMPL")
    library.impl(name, call, key, with_keyset=True)
    return library


def _mm(product: products.Product, first: Tensor, second: Tensor) -> Tensor | None:
    fit = first.shape[1] == second.shape[0] and products.suits(first[None], second[None])
    return product(first[None], second[None])[0] if fit else None


def _bmm(product: products.Product, first: Tensor, second: Tensor) -> Tensor | None:
    fit = _fit(first, second) and products.suits(first, second)
    return product(first, second) if fit else None


def _small_bmm(
    other: Callable[..., Tensor | None] | None, first: Tensor, second: Tensor
) -> Tensor | None:
    if _fit(first, second) and small_products.suits(first, second):
        return small_products.multiplied(first, second)
    return None if other is None else other(first, second)


def _fit(first: Tensor, second: Tensor) -> bool:
    return first.shape[2] == second.shape[1] and first.shape[0] == second.shape[0]


def _addmm(
    product: products.Product,
    addend: Tensor,
    first: Tensor,
    second: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
) -> Tensor | None:
    plain = beta == alpha == 1 and addend.dtype == first.dtype
    found = _mm(product, first, second) if plain else None
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


def _kernels(product: products.Product) -> Kernels:
    return {
        ("mm", "CPU"): partial(_mm, product),
        ("bmm", "CPU"): partial(_bmm, product),
        ("addmm", "CPU"): partial(_addmm, product),
        ("logsumexp", "CPU"): _log_sum_exp,
        ("logsumexp", "AutogradCPU"): _log_sum_exp_with_gradient,
        ("native_layer_norm", "CPU"): _normed,
        ("native_layer_norm_backward", "CPU"): _normed_back,
        ("_scaled_dot_product_flash_attention_for_cpu", "CPU"): _attended,
        ("_scaled_dot_product_flash_attention_for_cpu_backward", "CPU"): _attended_back,
    }


OURS = _kernels(products.multiplied)
HALF = _kernels(half_products.multiplied)

KERNELS = frozenset(getattr(torch.ops.aten, name).default for name, _ in OURS)
"""What we have kernels of our own for."""
PARTLY = (torch.ops.aten.addmm.default,)
"""Of these, those where ours do more than call a kernel."""

"""Our kernels in place of torch's operations, where operations run one at a time."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from stagewise.engine import attention, products
from stagewise.engine.machine_code import uncompiled

log = logging.getLogger("stagewise")


@cache
def usable() -> bool:
    """Whether our kernels can be compiled here, or have been by an earlier run; says so if not."""
    try:
        one = torch.ones(1, 1, 2, 16)
        products.multiplied(one[0], one[0].mT)
        with torch.enable_grad():
            query = one.clone().requires_grad_()
            attention.attention(query, one, one, causal=True).sum().backward()
    except Exception as error:
        # whatever a compiler can fail with: torch has its own
        log.warning("%s: torch's kernels are used", uncompiled(error))
        return False
    return True


class _OwnOperations(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        ours = OURS.get(func)
        if ours is None or torch.is_autocast_enabled("cpu"):
            return func(*args, **given)
        found = ours(*args, **given)
        return func(*args, **given) if found is None else found


def own_operations(wanted: bool = True) -> AbstractContextManager[object]:
    """In this context, products of matrices and attention of the sizes of small models in single
    precision on a processor are those of `products` and `attention`; all else is torch's, and all
    of it under autocast.

    What they return can be differentiated once, also outside of the context.
    """
    return _OwnOperations() if wanted else nullcontext()


class _Products(torch.autograd.Function):
    """(row, a, k) @ (row, k, b)"""

    @staticmethod
    def forward(context: Any, first: Tensor, second: Tensor) -> Tensor:
        context.save_for_backward(first, second)
        return products.multiplied(first, second)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None]:
        first, second = context.saved_tensors
        needed = context.needs_input_grad
        return (
            products.multiplied(slopes[0], second.mT) if needed[0] else None,
            products.multiplied(first.mT, slopes[0]) if needed[1] else None,
        )


def _product(first: Tensor, second: Tensor) -> Tensor:
    if torch.is_grad_enabled() and (first.requires_grad or second.requires_grad):
        return cast(Tensor, _Products.apply(first, second))
    return products.multiplied(first, second)


def _matmul(*args: Tensor, **kwargs: Any) -> Tensor | None:
    return _multiplied(*args) if len(args) == 2 and not kwargs else None


def _multiplied(first: Tensor, second: Tensor) -> Tensor | None:
    """first @ second, or None where that is not for our kernel."""
    if second.dim() == 2 and first.dim() >= 2:
        flat, shared = first.reshape(1, -1, first.shape[-1]), second[None]
        if flat.shape[2] == second.shape[0] and products.suits(flat, shared):
            return _product(flat, shared).view(*first.shape[:-1], second.shape[1])
        return None
    matched = first.dim() == second.dim() == 3 and first.shape[::2] == second.shape[:2]
    if matched and products.suits(first, second):
        return _product(first, second)
    return None


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    product = _multiplied(input, weight.mT) if weight.dim() == 2 else None
    return product if product is None or bias is None else product + bias


def _attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    if attn_mask is not None or dropout_p or enable_gqa:
        return None
    if not attention.suits(query, key, value):
        return None
    return attention.attention(query, key, value, causal=is_causal, scale=scale)


OURS: Mapping[object, Callable[..., Tensor | None]] = {
    scaled_dot_product_attention: _attended,
    torch.nn.functional.linear: _linear,
    **dict.fromkeys((torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__), _matmul),
}
"""Of torch's operations: what ours make of their arguments, or None where these are not for us."""

"""What a way to compress weights is: one checkpoint, many amounts, and what each takes in bits.

Urdshals et al. 2025 (2510.12077) compress checkpoints until the loss has risen by a tolerance.
Every scheme here keeps to three conventions.

Amounts are complexities: levels of a quantizer, share of the rank or of the weights that is kept,
signal over noise. A larger amount compresses less, so that a critical amount is large where a model
needs much.

Matrices alone are compressed: floating-point tensors of two or more dimensions. The last two axes
are rows and columns as they stand (a joint matrix of queries, keys and values is one matrix), any
axis before them numbers matrices, and each matrix is compressed by itself. Gains and shifts of
layer norms, biases and other vectors are never touched.

Draws are repetitions with other random offsets or noise, each from streams of its own: what a draw
is, does not depend on the amount nor on what is computed beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Protocol

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
"""Of ONE model, by name."""

FLOAT_BITS = 32
"""Of a number that is not compressed."""


@dataclass(frozen=True)
class Compression:
    """One checkpoint, ready to be compressed by any amount."""

    original: dict[str, Tensor]
    """The weights as they are."""
    draws: int
    models: Callable[[Sequence[float], Sequence[int]], dict[str, Tensor]]
    """(amount, draw) of each of several models -> their weights (model, ...)."""
    bits: Callable[[float], float]
    """Amount -> description length of the compressed weights."""


class Scheme(Protocol):
    """A way to compress, with its own settings."""

    def prepared(self, weights: Weights, *, draws: int, seed: int) -> Compression:
        """What all amounts share (scales, decompositions, orders) made once for a checkpoint."""


def matrices(weights: Weights) -> dict[str, Tensor]:
    """The tensors that are compressed (..., row, column), in single precision or better.

    Raises ValueError where there is none, or where one is not finite, by name.
    """
    found = {
        name: tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))
        for name, tensor in weights.items()
        if tensor.dim() >= 2 and tensor.is_floating_point()
    }
    if not found:
        raise ValueError(f"weights: no tensor of two or more dimensions in {', '.join(weights)}")
    for name, tensor in found.items():
        if not tensor.isfinite().all():
            raise ValueError(f"weights: {name} is not finite")
    return found


def completed(weights: Weights, compressed: Weights, models: int) -> dict[str, Tensor]:
    """All weights (model, ...): those in `compressed` as they are there, in the precision of the
    checkpoint, the others repeated without a copy."""
    return {
        name: compressed[name].to(tensor.dtype)
        if name in compressed
        else tensor.detach().expand(models, *tensor.shape)
        for name, tensor in weights.items()
    }


def stacks(tensor: Tensor) -> int:
    """Number of matrices in a tensor (..., row, column)."""
    return prod(tensor.shape[:-2])


def along(values: Sequence[float], like: Tensor) -> Tensor:
    """One number a model, shaped to go with tensors (model, *like.shape)."""
    return torch.tensor(values, dtype=like.dtype, device=like.device).reshape(-1, *[1] * like.dim())


def vector_bits(weights: Weights, compressed: Weights) -> float:
    """Bits of what is not compressed."""
    vectors = [tensor for name, tensor in weights.items() if name not in compressed]
    return FLOAT_BITS * float(sum(tensor.numel() for tensor in vectors))


def single_draw(scheme: str, draws: int) -> None:
    """Raises ValueError if a scheme without chance is asked for several draws."""
    if draws != 1:
        raise ValueError(f"draws: {scheme} is the same every time; asked for {draws} draws, not 1")


def kept(share: float, entries: int) -> int:
    """The share of so many, rounded up: at least one of them.

    Raises ValueError for a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"amounts: {share} is no share to keep; it must be above 0, at most 1")
    # a share such as 0.07 times 100 is a little above 7 in floating point
    return ceil(share * entries * (1 - 1e-12))

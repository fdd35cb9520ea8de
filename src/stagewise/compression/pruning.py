"""Pruning: the weights of smallest magnitude set to zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from torch import Tensor

from stagewise.compression.scheme import (
    FLOAT_BITS,
    Compression,
    Weights,
    along,
    completed,
    kept,
    matrices,
    single_draw,
    stacks,
    vector_bits,
)


@dataclass(frozen=True)
class Pruning:
    """The amount is the share of the weights of every matrix that is kept, rounded up; of equal
    magnitudes those that stand first."""

    def prepared(self, weights: Weights, *, draws: int, seed: int) -> Compression:
        """Ready for amounts above 0, at most 1. Bits: 32 for each weight kept and for each of a
        vector, and the entropy of where they are, entries times H(kept share)."""
        single_draw("pruning", draws)
        tensors = matrices(weights)
        orders = {name: _order(tensor) for name, tensor in tensors.items()}
        fixed = vector_bits(weights, tensors)

        def models(amounts: Sequence[float], places: Sequence[int]) -> dict[str, Tensor]:
            found = {}
            for name, tensor in tensors.items():
                counts = along([kept(amount, _size(tensor)) for amount in amounts], orders[name])
                found[name] = tensor * (orders[name] < counts)
            return completed(weights, found, len(amounts))

        def bits(amount: float) -> float:
            return fixed + sum(_bits(amount, tensor) for tensor in tensors.values())

        return Compression(dict(weights), draws, models, bits)


def _order(tensor: Tensor) -> Tensor:
    """Place of each entry in its matrix, the largest magnitude first."""
    falling = tensor.abs().flatten(-2).argsort(dim=-1, descending=True, stable=True)
    return falling.argsort(dim=-1).reshape(tensor.shape)


def _size(tensor: Tensor) -> int:
    """Entries of one matrix."""
    return tensor.shape[-2] * tensor.shape[-1]


def _bits(amount: float, tensor: Tensor) -> float:
    size = _size(tensor)
    count = kept(amount, size)
    share = count / size
    entropy = -sum(p * log2(p) for p in (share, 1 - share) if p > 0)
    return stacks(tensor) * (FLOAT_BITS * count + size * entropy)

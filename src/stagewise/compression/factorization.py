"""Factorization: every matrix replaced by the best one of lower rank."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
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
class Factorization:
    """The amount f keeps the rho = ceil(f min(rows, columns)) largest singular values of a matrix:
    of all matrices of that rank, the nearest (Eckart and Young)."""

    def prepared(self, weights: Weights, *, draws: int, seed: int) -> Compression:
        """Ready for amounts above 0, at most 1; the decompositions are made here, once. Bits: 32
        for each entry of two factors, rho (rows + columns), or of the matrix where it has fewer,
        and for each weight of a vector."""
        single_draw("factorization", draws)
        tensors = matrices(weights)
        factors = {n: torch.linalg.svd(t, full_matrices=False) for n, t in tensors.items()}
        fixed = vector_bits(weights, tensors)

        def models(amounts: Sequence[float], places: Sequence[int]) -> dict[str, Tensor]:
            found = {}
            for name, (left, values, right) in factors.items():
                ranks = along([_rank(amount, tensors[name]) for amount in amounts], values)
                below = torch.arange(values.shape[-1], device=values.device) < ranks
                found[name] = (left * (values * below)[..., None, :]) @ right
            return completed(weights, found, len(amounts))

        def bits(amount: float) -> float:
            return fixed + FLOAT_BITS * sum(_entries(amount, t) for t in tensors.values())

        return Compression(dict(weights), draws, models, bits)


def _rank(amount: float, tensor: Tensor) -> int:
    return kept(amount, min(tensor.shape[-2:]))


def _entries(amount: float, tensor: Tensor) -> int:
    rows, columns = tensor.shape[-2:]
    return stacks(tensor) * min(_rank(amount, tensor) * (rows + columns), rows * columns)

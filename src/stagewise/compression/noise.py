"""Gaussian noise: how precisely weights have to be known."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import torch
from torch import Generator, Tensor

from stagewise.compression.scheme import (
    FLOAT_BITS,
    Compression,
    Weights,
    along,
    completed,
    matrices,
    stacks,
    vector_bits,
)
from stagewise.seeds import stream_seed


@dataclass(frozen=True)
class Noise:
    """w + sigma r N(0, 1), the amount being 1 / sigma and r the root mean square of the matrix.

    A draw is one realization, the same at every amount but for its size. It is made where the
    weights are: on a GPU the numbers are others than on a CPU.
    """

    absolute: bool = False
    """Whether r is 1: noise of the same size in all matrices, in units of weight."""

    def prepared(self, weights: Weights, *, draws: int, seed: int) -> Compression:
        """Ready for amounts above 0. Bits: for each weight of a matrix what a Gaussian of its root
        mean square takes at that error, 1/2 log2(1 + 1 / sigma^2) (absolute: r^2 / sigma^2), 32 for
        each r that noise is relative to, and for each weight of a vector."""
        tensors = matrices(weights)
        sizes = {n: t.square().mean((-2, -1), keepdim=True).sqrt() for n, t in tensors.items()}
        relative = 0 if self.absolute else sum(stacks(t) for t in tensors.values())
        fixed = vector_bits(weights, tensors) + FLOAT_BITS * relative

        def models(amounts: Sequence[float], places: Sequence[int]) -> dict[str, Tensor]:
            found = {}
            for name, tensor in tensors.items():
                drawn = {p: _normal(tensor, seed, name, p) for p in dict.fromkeys(places)}
                noise = torch.stack([drawn[place] for place in places])
                size = along([_sigma(amount) for amount in amounts], tensor)
                found[name] = tensor + noise * (size if self.absolute else size * sizes[name])
            return completed(weights, found, len(amounts))

        def bits(amount: float) -> float:
            signal = 1 / _sigma(amount) ** 2
            total = 0.0
            for name, tensor in tensors.items():
                each = tensor.numel() / stacks(tensor)
                ratios = [r**2 if self.absolute else 1.0 for r in sizes[name].flatten().tolist()]
                total += sum(each * log2(1 + signal * ratio) / 2 for ratio in ratios)
            return total + fixed

        return Compression(dict(weights), draws, models, bits)


def _sigma(amount: float) -> float:
    if not amount > 0:
        raise ValueError(f"amounts: {amount} is no signal over noise; it must be above 0")
    return 1 / amount


def _normal(like: Tensor, seed: int, name: str, draw: int) -> Tensor:
    stream = Generator(like.device).manual_seed(stream_seed(seed, "noise", name, draw))
    return torch.randn(like.shape, generator=stream, dtype=like.dtype, device=like.device)

"""Uniform quantization: every weight rounded to one of few levels on a symmetric range."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

import torch
from torch import Tensor

from stagewise.compression.scheme import (
    FLOAT_BITS,
    Compression,
    Weights,
    along,
    completed,
    matrices,
    vector_bits,
)
from stagewise.seeds import generator


@dataclass(frozen=True)
class Quantization:
    """Rounding to n_q = 2k + 1 levels, the amount:

        q(w) = s clip(j - u, -k, k) / k,    j = clip(round(k w / s + u), -k, k)

    s is the largest magnitude of a matrix or of each of its rows, or a quantile of the magnitudes,
    beyond which weights are clipped. u in (-1/2, 1/2) shifts the grid (a dither): without it the
    rise of the loss jumps about with k. A shift of one draw is none, u = 0.
    """

    quantile: float = 1.0
    """The share of the magnitudes that s is not below; 1 for the largest."""
    rows: bool = False
    """Whether each row has a scale of its own."""

    def __post_init__(self) -> None:
        if not 0 < self.quantile <= 1:
            raise ValueError(f"quantile: must be above 0 and at most 1, got {self.quantile}")

    def prepared(self, weights: Weights, *, draws: int, seed: int) -> Compression:
        """Ready for odd amounts of 3 and more. Bits: log2 n_q for each weight of a matrix, 32 for
        each scale and for each weight of a vector."""
        tensors = matrices(weights)
        scale = {name: self.scales(tensor) for name, tensor in tensors.items()}
        unit = {name: _unit(tensor, scale[name]) for name, tensor in tensors.items()}
        shift = {name: dithers(name, t, draws=draws, seed=seed) for name, t in tensors.items()}
        entries = sum(tensor.numel() for tensor in tensors.values())
        fixed = vector_bits(weights, tensors) + FLOAT_BITS * sum(s.numel() for s in scale.values())

        def models(amounts: Sequence[float], places: Sequence[int]) -> dict[str, Tensor]:
            halves = [half(amount) for amount in amounts]
            found = {}
            for name, tensor in tensors.items():
                k, u = along(halves, tensor), shift[name][list(places)]
                found[name] = _values(_rounded(unit[name], k, u), scale[name], k, u)
            return completed(weights, found, len(amounts))

        def bits(amount: float) -> float:
            return entries * log2(2 * half(amount) + 1) + fixed

        return Compression(dict(weights), draws, models, bits)

    def scales(self, tensor: Tensor) -> Tensor:
        """s of each matrix (..., 1, 1) or row (..., row, 1) of a tensor (..., row, column)."""
        sizes = tensor.abs()
        flat = sizes if self.rows else sizes.flatten(-2)
        place = max(1, ceil(self.quantile * flat.shape[-1] - 1e-9))
        found = flat.kthvalue(place, dim=-1).values[..., None]
        return found if self.rows else found[..., None]


@dataclass(frozen=True)
class Symbols:
    """One quantized tensor as whole numbers."""

    symbols: Tensor
    """j (..., row, column), from -k to k."""
    scale: Tensor
    """s, of each matrix or row."""
    shift: Tensor
    """u of each matrix, (..., 1, 1)."""
    half: int
    """k"""
    dtype: torch.dtype
    """Of the weights."""

    def values(self) -> Tensor:
        """The weights that the numbers stand for: bit for bit those of the compressed model."""
        k = torch.tensor(self.half, dtype=self.scale.dtype, device=self.scale.device)
        return _values(self.symbols.to(self.scale.dtype), self.scale, k, self.shift).to(self.dtype)


@dataclass(frozen=True)
class Quantized:
    """One quantized model."""

    tensors: dict[str, Symbols]
    vectors: dict[str, Tensor]
    """What is not compressed, as it is."""

    def weights(self) -> dict[str, Tensor]:
        """Its weights, matrices first."""
        return {name: tensor.values() for name, tensor in self.tensors.items()} | self.vectors


def quantized(
    weights: Weights,
    amount: float,
    scheme: Quantization,
    *,
    draw: int = 0,
    draws: int = 1,
    seed: int = 0,
) -> Quantized:
    """One of the models that `scheme` makes of the weights, as numbers to be coded."""
    k, found = half(amount), {}
    for name, tensor in matrices(weights).items():
        scale = scheme.scales(tensor)
        shift = dithers(name, tensor, draws=draws, seed=seed)[draw]
        rounded = _rounded(_unit(tensor, scale), along([k], tensor)[0], shift)
        found[name] = Symbols(rounded.to(torch.int32), scale, shift, k, weights[name].dtype)
    vectors = {name: tensor.detach() for name, tensor in weights.items() if name not in found}
    return Quantized(found, vectors)


def dithers(name: str, tensor: Tensor, *, draws: int, seed: int) -> Tensor:
    """Shifts u (draw, ..., 1, 1) of each matrix of a tensor; zero if there is one draw.

    One in each of `draws` equal parts of (-1/2, 1/2), in random order, independent of those of
    other matrices.
    """
    lead = tensor.shape[:-2]
    if draws == 1:
        return tensor.new_zeros(1, *lead, 1, 1)
    stream = generator(seed, "dither", name)
    parts = torch.rand(draws, *lead, generator=stream, dtype=torch.float64).argsort(0)
    inside = torch.rand(draws, *lead, generator=stream, dtype=torch.float64)
    return ((parts + inside) / draws - 0.5)[..., None, None].to(tensor)


def half(amount: float) -> int:
    """k of 2k + 1 levels. Raises ValueError for a number of levels that is not odd, or below 3."""
    k = round((amount - 1) / 2)
    if k < 1 or 2 * k + 1 != amount:
        raise ValueError(f"amounts: {amount} levels; a quantizer has an odd number, at least 3")
    return k


def levels(finest: float, count: int) -> list[float]:
    """So many odd numbers of levels from `finest` down to 3, as evenly in log k as can be."""
    last = half(finest)
    if not 2 <= count <= last:
        raise ValueError(f"count: {count} amounts; {finest} levels and fewer allow 2 to {last}")
    halves = [1]
    for left in range(count - 1, 0, -1):
        halves.append(max(halves[-1] + 1, round(halves[-1] * (last / halves[-1]) ** (1 / left))))
    return [float(2 * k + 1) for k in reversed(halves)]


def _unit(tensor: Tensor, scale: Tensor) -> Tensor:
    """w / s, zero where the scale is."""
    return tensor / torch.where(scale > 0, scale, 1)


def _rounded(unit: Tensor, k: Tensor, shift: Tensor) -> Tensor:
    """j, as floating-point numbers."""
    return torch.minimum(torch.maximum((k * unit).add_(shift).round_(), -k), k)


def _values(rounded: Tensor, scale: Tensor, k: Tensor, shift: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(rounded - shift, -k), k).div_(k).mul_(scale)

"""Weights that have learned nothing, as large as those that have: controls."""

from dataclasses import replace

import torch
from torch import Tensor

from stagewise.engine.sampling import Weights
from stagewise.seeds import generator
from stagewise.testbeds.testbed import Points


def scrambled(points: Points, weights: Weights, *, seed: int) -> Points:
    """The points with their matrices (tensors of two or more dimensions) replaced; vectors stay.

    A point's new matrices depend on its place, on the matrix's name and on the seed.
    """
    if weights == "own":
        return points
    change = {"permuted": _permuted, "gaussian": _gaussian}[weights]
    return replace(
        points,
        parameters={
            name: tensor
            if tensor.dim() < 3
            else torch.stack(
                [
                    change(one, generator(seed, "scrambled", name, row))
                    for row, one in enumerate(tensor)
                ]
            )
            for name, tensor in points.parameters.items()
        },
    )


def _permuted(tensor: Tensor, stream: torch.Generator) -> Tensor:
    return tensor.flatten()[torch.randperm(tensor.numel(), generator=stream)].reshape(tensor.shape)


def _gaussian(tensor: Tensor, stream: torch.Generator) -> Tensor:
    noise = torch.randn(tensor.shape, generator=stream, dtype=tensor.dtype)
    return noise * tensor.norm() / noise.norm()

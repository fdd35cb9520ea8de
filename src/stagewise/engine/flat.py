"""Parameters of models as vectors."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]


def flatten(parameters: Mapping[str, Tensor], shapes: Shapes) -> Tensor:
    """Tensors (row, ...) as one matrix (row, d), in the order of `shapes`."""
    return torch.cat([parameters[name].reshape(-1, prod(shapes[name])) for name in shapes], dim=1)


def unflatten(position: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The inverse of `flatten`: views of (..., d) as tensors (..., *shape)."""
    sizes = [prod(shape) for shape in shapes.values()]
    pieces = position.split(sizes, dim=-1)
    return {
        name: piece.unflatten(-1, shape) if shape else piece.squeeze(-1)
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }

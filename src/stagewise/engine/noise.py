"""Standard normals for chains, each from its own stream."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

BLOCK = 16
"""Steps that are drawn at once. Torch fills normals sixteen at a time, so blocks of a multiple of
sixteen numbers give the same stream however many of them are drawn together."""


def normal_block(
    generators: Sequence[Generator], steps: int, size: int, dtype: torch.dtype
) -> Tensor:
    """Standard normals (step, row, size): row r from generators[r] alone."""
    if steps % BLOCK:
        raise ValueError(f"noise is drawn in blocks of {BLOCK} steps; {steps} is not a multiple")
    block = torch.empty(len(generators), steps, size, dtype=dtype)
    for row, stream in zip(block, generators, strict=True):
        row.normal_(generator=stream)
    return block.transpose(0, 1)


def index_block(generators: Sequence[Generator], steps: int, samples: int, batch: int) -> Tensor:
    """Batches drawn with replacement (step, row, batch): indices below `samples`."""
    block = torch.empty(len(generators), steps, batch, dtype=torch.int64)
    for row, stream in zip(block, generators, strict=True):
        row.random_(samples, generator=stream)
    return block.transpose(0, 1)

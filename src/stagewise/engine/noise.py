"""Standard normals for chains, each from its own stream."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def block_length(numbers: int) -> int:
    """Steps whose random numbers are drawn at once, for so many numbers a chain and step.

    Long enough that calling the generator costs little beside the numbers, short enough for
    memory. A part of what a stream means: it hangs on nothing else.
    """
    return max(1, min(64, 16384 // max(1, numbers)))


def normal_block(generators: Sequence[Generator], steps: int, size: int) -> Tensor:
    """Standard normals (row, step, size): row r from generators[r] alone.

    Drawn in single precision, which is five times faster: their spacing, 1e-7 of a standard
    deviation, and their range, 5.7 of them, are far below what any number of draws can tell.
    """
    block = torch.empty(len(generators), steps, size)
    for row, stream in zip(block, generators, strict=True):
        row.normal_(generator=stream)
    return block


def index_block(generators: Sequence[Generator], steps: int, samples: int, batch: int) -> Tensor:
    """Batches drawn with replacement (row, step, batch): indices below `samples`."""
    block = torch.empty(len(generators), steps, batch, dtype=torch.int64)
    for row, stream in zip(block, generators, strict=True):
        row.random_(samples, generator=stream)
    return block

"""What attention heads look at, and which read what others write.

Patterns are attention weights (sample, head, to place, from place) of sequences whose first place
is the beginning, on which nothing is scored.
"""

import torch
from torch import Tensor


def previous_token(pattern: Tensor) -> Tensor:
    """Mean attention to the place before, (head,)."""
    return pattern.diagonal(-1, dim1=-2, dim2=-1)[..., 1:].mean((0, -1))


def current_token(pattern: Tensor) -> Tensor:
    """Mean attention to the place itself, (head,)."""
    return pattern.diagonal(0, dim1=-2, dim2=-1)[..., 1:].mean((0, -1))


def prefix(pattern: Tensor, periods: Tensor) -> Tensor:
    """Mean attention, from tokens seen before, to what came after them in earlier copies, (head,).

    The prefix-matching score of Olsson et al. 2022 (2209.11895), on sequences that after the
    beginning repeat a block of periods (sample,) tokens over and over.
    """
    places = torch.arange(pattern.shape[-1])
    back = places[:, None] - places + 1  # to place - what came before the from place
    copies = (back % periods[:, None, None] == 0) & (back > 0) & (places > 1)
    again = copies.any(-1)
    found = (pattern * copies[:, None]).sum(-1)
    return (found * again[:, None]).sum((0, 2)) / again.sum()


def composition(writer: Tensor, reader: Tensor) -> Tensor:
    """|writer reader| / (|writer| |reader|) in Frobenius norms (Elhage et al. 2021).

    writer (width, width) is what a head of an earlier layer does to the stream, value times out;
    reader (width, width) what a later one does first: key times query transposed for
    K-composition, value times out for V-composition. For random matrices about 1 / sqrt(width).
    """
    return (writer @ reader).norm() / (writer.norm() * reader.norm())

"""Token sequences of equal length, cut from one long text or given as rows."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def cut(tokens: Sequence[int], *, context: int, start: Sequence[int] = ()) -> Tensor:
    """Consecutive pieces of a text as sequences (sample, context), without overlap.

    Each begins with the tokens `start`; what is left at the end is dropped.
    """
    own = context - len(start)
    if own < 1:
        raise ValueError(f"{len(start)} tokens at the start leave no place of {context}")
    pieces = len(tokens) // own
    text = torch.tensor(list(tokens[: pieces * own]), dtype=torch.int64).reshape(pieces, own)
    first = torch.tensor(list(start), dtype=torch.int64).expand(pieces, len(start))
    return torch.cat([first, text], dim=1)


def split(sequences: Tensor, *sizes: int, stream: Generator) -> list[Tensor]:
    """That many sequences for each of `sizes`, no sequence twice, in random order.

    Raises ValueError if there are too few.
    """
    if sum(sizes) > len(sequences):
        raise ValueError(f"there are {len(sequences)} sequences, fewer than {sum(sizes)}")
    order = torch.randperm(len(sequences), generator=stream)[: sum(sizes)]
    return list(sequences[order].split(list(sizes)))

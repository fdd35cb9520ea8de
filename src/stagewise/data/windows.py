"""Sequences for a language model: windows of a text, and repeated random blocks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stagewise.data.tokens import BEGINNING

Array = NDArray[Any]


class Blocks(NamedTuple):
    """Sequences of random blocks, each repeated to the end."""

    tokens: Array
    """(sequence, 1 + length), the beginning first."""
    sizes: Array
    """(sequence,) length of each one's block."""


def windows(streams: Mapping[str, Array], count: int, length: int, seed: int) -> Array:
    """`count` windows (sequence, 1 + length): the beginning, then `length` tokens in a row.

    Each of a stream with the probability of its share of all tokens, from a uniform place.
    Raises ValueError, naming the stream, for one that is shorter than a window.
    """
    for name, stream in streams.items():
        if len(stream) < length:
            raise ValueError(f"length: {length} tokens, but {name} has only {len(stream)} of them")
    random = np.random.default_rng(seed)
    chosen = list(streams.values())
    sizes = np.array([len(stream) for stream in chosen])
    whose = random.choice(len(chosen), count, p=sizes / sizes.sum())
    places = random.integers(0, sizes[whose] - length + 1)
    found = np.full((count, 1 + length), BEGINNING, dtype=np.int64)
    for number, stream in enumerate(chosen):
        rows = np.flatnonzero(whose == number)
        found[rows, 1:] = stream[places[rows, None] + np.arange(length)]
    return found


def blocks(
    count: int, length: int, *, vocabulary: int, sizes: tuple[int, int], seed: int
) -> Blocks:
    """`count` sequences of a block of independent uniform tokens, over and over.

    The block's length is uniform from sizes[0] to sizes[1]; BEGINNING is in no block.
    """
    random = np.random.default_rng(seed)
    drawn = random.integers(sizes[0], sizes[1] + 1, count)
    block = random.integers(1, vocabulary, (count, sizes[1]))
    found = np.full((count, 1 + length), BEGINNING, dtype=np.int64)
    found[:, 1:] = np.take_along_axis(block, np.arange(length) % drawn[:, None], axis=1)
    return Blocks(found, drawn)

"""Counts of short runs of tokens in streams."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def pair_counts(streams: Iterable[Array], vocabulary: int) -> Array:
    """How often each token follows each other, (token, next)."""
    found = np.zeros(vocabulary**2, dtype=np.int64)
    for stream in streams:
        wide = stream.astype(np.int64)
        found += np.bincount(wide[:-1] * vocabulary + wide[1:], minlength=vocabulary**2)
    return found.reshape(vocabulary, vocabulary)


def commonest(
    streams: Iterable[Array], n: int, *, most: int, vocabulary: int, without: int
) -> Array:
    """The `most` commonest runs of n tokens, commonest first, (run, n); none with `without`."""
    if vocabulary**n > 2**62:
        raise ValueError(f"n: runs of {n} of {vocabulary} tokens cannot be counted")
    packed = []
    for stream in streams:
        wide = stream.astype(np.int64)
        length = len(wide) - n + 1
        whole = np.zeros(length, dtype=np.int64)
        clean = np.ones(length, dtype=bool)
        for place in range(n):
            part = wide[place : place + length]
            whole = whole * vocabulary + part
            clean &= part != without
        packed.append(whole[clean])
    values, counts = np.unique(np.concatenate(packed), return_counts=True)
    chosen = values[np.argsort(-counts, kind="stable")[:most]]
    powers = vocabulary ** np.arange(n - 1, -1, -1)
    return chosen[:, None] // powers % vocabulary


def likely(pairs: Array, most: int) -> Array:
    """Whether a token is among the `most` commonest after another, (token, next)."""
    found = np.zeros(pairs.shape, dtype=bool)
    np.put_along_axis(found, np.argsort(-pairs, axis=1, kind="stable")[:, :most], True, axis=1)
    return found & (pairs > 0)


def seen_before(tokens: Array) -> Array:
    """Whether the pair that ends at a token has ended before in its sequence.

    tokens (sequence, 1 + length) -> (sequence, length), of every token but the first.
    """
    pairs = tokens[:, :-1].astype(np.int64) * (int(tokens.max()) + 1) + tokens[:, 1:]
    order = np.argsort(pairs, axis=1, kind="stable")
    ranked = np.take_along_axis(pairs, order, axis=1)
    again = np.zeros(pairs.shape, dtype=bool)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    found = np.zeros_like(again)
    np.put_along_axis(found, order, again, axis=1)
    return found

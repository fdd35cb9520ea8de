"""Posterior correlations of tokens, averaged over the occurrences of words."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def word_correlations(
    losses: ArrayLike, words: ArrayLike, sequences: ArrayLike, *, count: int
) -> Array:
    """Mean of Corr(l_s, l_t) over occurrences s of one word and t of another, (word, word).

    Correlations are of losses centred within chains, so that what chains differ in does not count
    (Kreer et al. 2025, 2509.26544, per token). Pairs within one sequence, which has its context in
    common, are left out; not a number where there are no others.

    losses     (chain, draw, occurrence), nats
    words      number of the word, below `count`, of each occurrence
    sequences  number of the sequence of each occurrence
    """
    found = np.asarray(losses, dtype=np.float64)
    apart = (found - found.mean(1, keepdims=True)).reshape(-1, found.shape[2])
    scale = np.sqrt((apart**2).sum(0))
    apart = np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0)
    place = np.asarray(sequences)
    other = place[:, None] != place[None, :]
    member = (np.asarray(words)[:, None] == np.arange(count)).astype(np.float64)
    pairs = member.T @ other @ member
    sums = member.T @ (apart.T @ apart * other) @ member
    return np.asarray(np.divide(sums, pairs, out=np.full_like(sums, np.nan), where=pairs > 0))

"""A conditional distribution of tokens given contexts whose leading modes are planted."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def blocks_of(count: int, blocks: int) -> NDArray[np.int64]:
    """The block of each of `count` contexts or tokens: 0, 0, ..., 1, 1, ..., of equal lengths."""
    return np.arange(count) * blocks // count


def planted_modes(contexts: int, tokens: int, blocks: int, noise: float, *, seed: int) -> Array:
    """q(y|x), (context, token), rows summing to 1.

    The contexts of a block share the tokens of that block, which are equally likely:

        q(y|x) = (1 - noise) [block of y is that of x] / (tokens / blocks) + noise d_x(y)

    with d_x of the flat Dirichlet law, so that the modes of q are the blocks and, weaker, those of
    d. All contexts are equally likely.
    """
    same = blocks_of(contexts, blocks)[:, None] == blocks_of(tokens, blocks)
    random = np.random.default_rng(seed).dirichlet(np.ones(tokens), size=contexts)
    found: Array = (1 - noise) * same / same.sum(1, keepdims=True) + noise * random
    return found

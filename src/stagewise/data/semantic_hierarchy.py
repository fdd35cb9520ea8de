"""Items on the leaves of a binary tree, and what is true of them: one property for each node."""

import numpy as np
from numpy.typing import NDArray

from stagewise.seeds import stream_seed

Array = NDArray[np.float64]

ITEMS = ("dog", "cat", "sparrow", "robin", "oak", "pine", "rose", "lily")
"""Of the tree of depth 3: mammals and birds, trees and flowers; animals and plants."""
DEPTH = 3


def tree() -> Array:
    """Targets Y (property, item): 1 where the node of the property is the item or above it.

    Nodes row by row from the root. Singular values: sqrt(15, 7, 3, 3, 1, 1, 1, 1) (Saxe,
    McClelland and Ganguli 2019; `modes`).
    """
    items = np.arange(2**DEPTH)
    rows = [
        items >> (DEPTH - level) == node for level in range(DEPTH + 1) for node in range(2**level)
    ]
    return np.array(rows, dtype=np.float64)


def modes() -> Array:
    """V (item, mode): the tree's right singular vectors, from coarse to fine.

    The first is constant; each further one tells the two halves below one node apart.
    """
    items = np.arange(2**DEPTH)
    columns = [np.ones(2**DEPTH)]
    for level in range(DEPTH):
        for node in range(2**level):
            below = items >> (DEPTH - level) == node
            half = (items >> (DEPTH - level - 1)) % 2
            columns.append(np.where(below, 1.0 - 2.0 * half, 0.0))
    found = np.stack(columns, axis=1)
    return np.asarray(found / np.linalg.norm(found, axis=0))


def unstructured(seed: int) -> Array:
    """The tree's singular values with random singular vectors: a control without a hierarchy."""
    random = np.random.default_rng(stream_seed(seed, "unstructured"))
    left, values, right = np.linalg.svd(tree(), full_matrices=False)
    turned = [np.linalg.qr(random.standard_normal(part.shape))[0] for part in (left, right)]
    return np.asarray((turned[0] * values) @ turned[1].T)

"""Gaussian classes whose means lie on a binary tree."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor


def leaf_distances(depth: int) -> NDArray[np.int64]:
    """Levels up to the common ancestor of two leaves of the binary tree, (leaf, leaf): 0 for the
    same leaf, 1 for sisters, `depth` for leaves that share the root alone."""
    leaves = np.arange(2**depth)
    apart = leaves[:, None] ^ leaves
    return np.where(apart > 0, np.floor(np.log2(np.maximum(apart, 1))) + 1, 0).astype(np.int64)


def leaf_means(norms: Sequence[float], dimensions: int, *, stream: Generator) -> Tensor:
    """Means of the leaves, (2^depth, dimensions): sums of a vector for each node on their path.

    norms  of the vectors of each level's nodes, coarse to fine; their directions are uniform
    """
    depth = len(norms)
    means = torch.zeros(2**depth, dimensions)
    for level, norm in enumerate(norms, start=1):
        nodes = torch.randn(2**level, dimensions, generator=stream)
        nodes *= norm / nodes.norm(dim=1, keepdim=True)
        means += nodes.repeat_interleave(2 ** (depth - level), dim=0)
    return means


def around(
    means: Tensor, each: int, deviation: float, *, stream: Generator
) -> tuple[Tensor, Tensor]:
    """`each` samples around every mean (class, dimensions), with isotropic normal noise: inputs
    (sample, dimensions) and labels (sample,), by class."""
    labels = torch.arange(len(means)).repeat_interleave(each)
    noise = torch.randn(len(labels), means.shape[1], generator=stream)
    return means[labels] + deviation * noise, labels

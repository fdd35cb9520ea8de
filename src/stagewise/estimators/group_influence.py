"""Influence between classes of tokens: means over pairs of tokens, never pair by pair.

For tokens s of class A and s' of class B, of which m are in both and so pair with themselves,

    mean of Cov(l_s, l_s') over s != s'
        = [Cov(sum_A l, sum_B l) - sum of Var(l_t) over the shared t] / (n_A n_B - m)

so that classes of thousands of tokens take O(draws x classes^2). The normalised influence is the
same of losses divided by their own standard deviation, hence the mean of correlations. Signs as in
`influence`: the group influence of Lee et al. (2510.12071) is minus these numbers.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stagewise.estimators.influence import (
    Array,
    Estimate,
    block_covariances,
    block_variances,
    mean_of_blocks,
)


def group_blocks(
    losses: ArrayLike,
    classes: ArrayLike,
    *,
    blocks: int = 1,
    pooled: bool = False,
    normalise: bool = False,
) -> Array:
    """Mean covariances of pairs of tokens (chain x block, class, class).

    losses     (chain, draw, sequence, position), nats
    classes    (class, sequence, position), boolean; a token may be in several, or in none
    normalise  losses divided by their standard deviations first, those of all draws: mean
               correlations, of which a loss that does not vary has 0
    blocks, pooled  as of `influence.block_covariances`, whose mean is the estimate, too

    Not a number for a class without pairs. Raises ValueError for other shapes.
    """
    found = np.asarray(losses, dtype=np.float64)
    chosen = np.asarray(classes, dtype=bool)
    if found.ndim != 4 or found.shape[2:] != chosen.shape[1:]:
        raise ValueError(
            f"losses (chain, draw, sequence, position) of shape {found.shape} do not go with "
            f"classes (class, sequence, position) of shape {chosen.shape}"
        )
    tokens = found.reshape(*found.shape[:2], -1)
    members = chosen.reshape(len(chosen), -1).astype(np.float64)
    if normalise:
        tokens = tokens * _inverse_scale(tokens, blocks, pooled=pooled)
    of_sums = block_covariances(tokens @ members.T, blocks=blocks, pooled=pooled)
    variances = block_variances(tokens, blocks=blocks, pooled=pooled)
    shared = np.einsum("bt,it,jt->bij", variances, members, members, optimize=True)
    pairs = np.outer(members.sum(1), members.sum(1)) - members @ members.T
    return np.divide(of_sums - shared, pairs, out=np.full_like(of_sums, np.nan), where=pairs > 0)


def _inverse_scale(tokens: NDArray[Any], blocks: int, *, pooled: bool) -> Array:
    """One over the standard deviation of each token's loss; 0 where it does not vary."""
    scale = np.sqrt(block_variances(tokens, blocks=blocks, pooled=pooled).mean(0))
    return np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)


def group_covariance(
    losses: ArrayLike, classes: ArrayLike, *, blocks: int = 1, pooled: bool = False
) -> Estimate:
    """Mean covariance of two tokens of the classes (class, class), nats squared, with the standard
    error of a mean over chains or their blocks. Arguments as of `group_blocks`."""
    return mean_of_blocks(group_blocks(losses, classes, blocks=blocks, pooled=pooled))


def group_correlation(
    losses: ArrayLike, classes: ArrayLike, *, blocks: int = 1, pooled: bool = False
) -> Estimate:
    """Mean correlation likewise; the error takes the standard deviations as known."""
    return mean_of_blocks(
        group_blocks(losses, classes, blocks=blocks, pooled=pooled, normalise=True)
    )

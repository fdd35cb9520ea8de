"""Covariances of losses along chains: Bayesian influence functions and their uncertainty.

The influence of sample i on sample j is BIF(i, j) = -Cov(l_i, l_j) over the local posterior (Kreer
et al. 2025, 2509.26544): negative where more weight on i lowers the expected loss of j. What is
computed and stored here is the covariance; sign and factors are the reader's.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number for each pair of samples, with its standard error."""

    value: Array
    """(a, b)"""
    error: Array
    """(a, b); not a number where there is but one block."""


def block_covariances(
    first: ArrayLike, second: ArrayLike | None = None, *, blocks: int = 1, pooled: bool = False
) -> Array:
    """Covariances (chain x block, a, b) whose mean is the covariance of all draws.

    first, second  losses (chain, draw, a) and (chain, draw, b), nats; by default twice the same
    blocks         stretches of equal length that each chain is cut into, for uncertainties within
                   few chains; draws left over at the end are not used
    pooled         centred at the mean of all chains, divided by C T - 1, so that what chains
                   differ in counts; by default each chain is centred at its own mean, divided by
                   C (T - 1), so that it does not

    Computed in double precision from differences. Raises ValueError for other shapes, or fewer
    than two draws.
    """
    one = _centred(first, blocks, pooled=pooled)
    two = one if second is None else _centred(second, blocks, pooled=pooled)
    if one.shape[:2] != two.shape[:2]:
        raise ValueError(
            f"losses of {one.shape[0]} chains of {one.shape[1]} draws do not go with "
            f"{two.shape[0]} chains of {two.shape[1]}"
        )
    chains, draws = one.shape[:2]
    freedom = chains * draws - 1 if pooled else chains * (draws - 1)
    lead = (chains * blocks, draws // blocks)
    one, two = one.reshape(*lead, -1), two.reshape(*lead, -1)
    return np.matmul(one.transpose(0, 2, 1), two) * (lead[0] / freedom)


def block_variances(losses: ArrayLike, *, blocks: int = 1, pooled: bool = False) -> Array:
    """The diagonals of `block_covariances` alone, (chain x block, a)."""
    one = _centred(losses, blocks, pooled=pooled)
    chains, draws = one.shape[:2]
    freedom = chains * draws - 1 if pooled else chains * (draws - 1)
    squares = one.reshape(chains * blocks, draws // blocks, -1)
    return np.einsum("bda,bda->ba", squares, squares) * (chains * blocks / freedom)


def _centred(losses: ArrayLike, blocks: int, *, pooled: bool) -> Array:
    found = np.array(losses, dtype=np.float64)
    if found.ndim != 3:
        raise ValueError(f"losses must have axes (chain, draw, sample), got shape {found.shape}")
    found = found[:, : found.shape[1] // blocks * blocks]
    if found.shape[1] < 2:
        raise ValueError("a covariance needs at least two draws of each chain and block")
    found -= found.mean((0, 1) if pooled else 1, keepdims=True)
    return found


def covariance(
    first: ArrayLike, second: ArrayLike | None = None, *, blocks: int = 1, pooled: bool = False
) -> Estimate:
    """Cov(l_i, l_j) (a, b), with the standard error of a mean over chains (or their blocks).

    Arguments as of `block_covariances`. -value is the Bayesian influence function of 2509.26544;
    the derivative of E[l_j] by the weight of sample i among n is -(n beta / n) value.
    """
    return mean_of_blocks(block_covariances(first, second, blocks=blocks, pooled=pooled))


def mean_of_blocks(found: Array) -> Estimate:
    """The mean of `block_covariances` with its standard error."""
    count = len(found)
    if count == 1:
        return Estimate(found[0], np.full_like(found[0], np.nan))
    return Estimate(found.mean(0), found.std(0, ddof=1) / count**0.5)


def correlation(losses: ArrayLike, *, blocks: int = 1, pooled: bool = False) -> Estimate:
    """Corr(l_i, l_j) (a, a) of losses (chain, draw, a), 0 where a loss does not vary.

    The error is the jackknife's, over chains or their blocks. -value is the normalised influence;
    value itself the normalised loss kernel (Adam et al. 2025, 2509.26537).
    """
    found = block_covariances(losses, blocks=blocks, pooled=pooled)
    count, total = len(found), found.sum(0)
    value = normalised(total)
    if count == 1:
        return Estimate(value, np.full_like(value, np.nan))
    without = np.zeros_like(value)
    squares = np.zeros_like(value)
    for block in found:
        left = normalised(total - block)
        without += left / count
        squares += (left - value) ** 2 / count
    spread = np.maximum(squares - (without - value) ** 2, 0)
    return Estimate(value, ((count - 1) * spread) ** 0.5)


def normalised(covariances: NDArray[Any]) -> Array:
    """Correlations of a covariance matrix (a, a); 0, on the diagonal too, where a variance is 0."""
    scale = np.sqrt(np.diagonal(covariances))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    return np.asarray(covariances * inverse[:, None] * inverse[None, :])


def functional_variance(losses: ArrayLike) -> Estimate:
    """V = sum_i Var(l_i), the trace of the covariance, of losses (chain, draw, a): shape ().

    At beta = 1 twice the singular fluctuation (Watanabe), and for regular models of d parameters
    and unit noise about d. The error is of a mean over chains.
    """
    found = np.asarray(losses, dtype=np.float64)
    chains = np.asarray(found.var(1, ddof=1).sum(-1))
    error = chains.std(ddof=1) / len(chains) ** 0.5 if len(chains) > 1 else np.nan
    return Estimate(np.asarray(chains.mean()), np.asarray(error))

"""Means over some tokens of sequences, whose tokens are not independent."""

from torch import Tensor


def clustered_mean(losses: Tensor, chosen: Tensor) -> tuple[float, float]:
    """Mean of losses (sequence, token) over the chosen tokens, and its standard error.

    Sequences are taken to be independent, tokens of a sequence are not: the error is that of a
    ratio of sums over sequences. Not a number if nothing is chosen.
    """
    sums, counts = (losses * chosen).sum(1).double(), chosen.sum(1).double()
    mean = sums.sum() / counts.sum()
    error = (sums - mean * counts).square().sum().sqrt() / counts.sum()
    return float(mean), float(error)

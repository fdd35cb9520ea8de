"""The toy model of superposition: reconstruction, and its mean loss from moments of active sets.

f(x) = ReLU(W^T W x + b), x = mu e_i (Chen et al. 2023, 2310.06301). The loss |x - f(x)|^2 is
not halved. For input feature i and output j the output is active where A_ij mu + b_j > 0,
A = W^T W: a piece of the line. Given the moments of mu over that piece, the mean loss is a
quadratic in (A_ij, b_j); for the population the moments are closed forms, for a data set they are
prefix sums over its sorted mu.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """E[mu^k 1(feature i, output j active)], k = 0, 1, 2, as tensors (i, j)."""

    zeroth: Tensor
    first: Tensor
    second: Tensor
    total: Tensor
    """(i,) E[mu^2 1(feature i)], whether active or not."""


def reconstruction_losses(W: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """|x - ReLU(W^T W x + b)|^2 of each sample.

    W  (r, c);  b  (c,);  x  (sample, c);  returns (sample,)
    """
    return (torch.relu(x @ W.T @ W + b) - x).square().sum(-1)


def mean_loss(W: Tensor, b: Tensor, moments: Callable[[Tensor, Tensor], Moments]) -> Tensor:
    """L = sum_ij E[(e_ij mu + b_j)^2; active] + sum_i E[mu^2; (i, i) not active], e = A - 1.

    Exact with its first derivatives: what an output contributes is continuous where it stops
    being active, so the moments may be held fixed while differentiating. Second derivatives of
    this expression are not those of L.

    W        (r, c);  b  (c,)
    moments  of the active sets, from A (i, j) and b (j,), both detached
    returns  scalar, squared error per sample
    """
    # written out: a batch of tiny matrix products is slower
    gram = (W[:, :, None] * W[:, None, :]).sum(0)  # (i, j)
    found = moments(gram.detach(), b.detach())
    error = gram - torch.eye(len(b), dtype=gram.dtype)
    inside = (error * found.second + 2 * b * found.first) * error + b * b * found.zeroth
    return inside.sum() + (found.total - found.second.diagonal()).sum()


def population_moments(gram: Tensor, b: Tensor) -> Moments:
    """Moments for i uniform on the features and mu uniform on [0, 1].

    The output is active beyond t = -b_j / A_ij if A_ij > 0 and below it if A_ij < 0.
    """
    start, end = _active_interval(gram, b)
    c = len(b)
    return Moments(
        (end - start) / c,
        (end.square() - start.square()) / (2 * c),
        (end**3 - start**3) / (3 * c),
        torch.full_like(b, 1 / (3 * c)),
    )


def population_loss(W: Tensor, b: Tensor) -> Tensor:
    """The closed form of Lemma 3.1 of Chen et al. 2023, regrouped.  (r, c), (c,) -> scalar"""
    return mean_loss(W, b, population_moments)


class PrefixSums(NamedTuple):
    """Data sets of one-hot samples as sorted mu with running sums, all sets end to end.

    Group g = set * c + feature. Samples of a group are sorted, and g is added to their mu, so
    that one search of one sorted list finds the place of a threshold in every group.
    """

    keys: Tensor
    """(samples in all,) g + mu, rising."""
    sums: Tensor
    """(samples in all + groups, 3) running sums of 1, mu, mu^2 in each group, from zero,
    divided by the number of samples of the set; the group's entries start at its first key + g."""
    totals: Tensor
    """(group, 3) last running sums of each group."""


def prefix_sums(sets: Sequence[tuple[Tensor, Tensor]], c: int) -> PrefixSums:
    """Sufficient statistics of data sets, each given as features and mu, (sample,) both."""
    keys, sums = [], []
    for number, (features, mu) in enumerate(sets):
        for feature in range(c):
            values = mu[features == feature].sort().values
            powers = torch.stack([torch.ones_like(values), values, values.square()], dim=1)
            powers = powers / len(mu)
            running = torch.cat([powers.new_zeros(1, 3), powers.cumsum(0)])
            keys.append(number * c + feature + values)
            sums.append(running)
    return PrefixSums(torch.cat(keys), torch.cat(sums), torch.stack([part[-1] for part in sums]))


def empirical_moments(gram: Tensor, b: Tensor, statistics: PrefixSums, number: Tensor) -> Moments:
    """Moments over data set `number` (a scalar): a search and a difference of running sums."""
    c = len(b)
    group = number * c + torch.arange(c)  # (i,)
    threshold, above = _threshold(gram, b)
    place = _Search.apply(statistics.keys, group[:, None] + threshold)  # (i, j)
    below = statistics.sums[place + group[:, None]]  # (i, j, 3)
    totals = statistics.totals[group]  # (i, 3)
    found = torch.where(above[..., None], totals[:, None] - below, below)
    return Moments(found[..., 0], found[..., 1], found[..., 2], totals[:, 2])


def empirical_loss(W: Tensor, b: Tensor, statistics: PrefixSums, number: Tensor) -> Tensor:
    """Mean loss over data set `number` (scalar), equal to the mean of `reconstruction_losses`."""
    return mean_loss(W, b, lambda gram, bias: empirical_moments(gram, bias, statistics, number))


def _threshold(gram: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """t in [0, 1], and whether the output is active above it (else below it).  (i, j), (i, j)

    A_ij = 0 is read as the smallest positive slope: active everywhere if b_j > 0, else nowhere.
    """
    slope = torch.where(gram == 0, torch.finfo(gram.dtype).tiny, gram)
    return (-b / slope).clamp(0, 1), slope > 0


def _active_interval(gram: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    threshold, above = _threshold(gram, b)
    return threshold * above, torch.where(above, 1.0, threshold)


class _Search(torch.autograd.Function):
    """torch.searchsorted in one list, with the batching rule that torch.func lacks."""

    @staticmethod
    def forward(keys: Tensor, values: Tensor) -> Tensor:
        return torch.searchsorted(keys, values.contiguous())

    @staticmethod
    def setup_context(ctx: object, inputs: object, output: object) -> None:
        """Nothing to keep: places have no gradient."""

    @staticmethod
    def vmap(info: object, in_dims: tuple[None, int], keys: Tensor, values: Tensor) -> tuple:
        return _Search.apply(keys, values), in_dims[1]

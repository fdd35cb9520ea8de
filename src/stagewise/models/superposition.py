"""The toy model of superposition: reconstruction, and its mean loss from moments of active sets.

f(x) = ReLU(W^T W x + b), x = mu e_i (Chen et al. 2023, 2310.06301). The loss |x - f(x)|^2 is
not halved. For input feature i and output j the output is active where A_ij mu + b_j > 0,
A = W^T W: an interval. Given the moments of mu over it, the mean loss is a quadratic in
(A_ij, b_j); for the population the moments are closed forms, for a data set they are differences
of running sums over its sorted mu.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """E[mu^k; feature i, output j active] for k = 0, 1, 2, as tensors (i, j)."""

    zeroth: Tensor
    first: Tensor
    second: Tensor


def reconstruction_losses(W: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """|x - ReLU(W^T W x + b)|^2 of each sample.

    W  (r, c);  b  (c,);  x  (sample, c);  returns (sample,)
    """
    return (torch.relu(x @ W.T @ W + b) - x).square().sum(-1)


def population_loss(W: Tensor, b: Tensor) -> Tensor:
    """Mean loss for i uniform on the features and mu uniform on [0, 1], in closed form.

    Lemma 3.1 of Chen et al. 2023, regrouped: sum_ij E[f_j^2; i] - 2 sum_i E[mu f_i; i] + 1/3.
    First and second derivatives are those of L.

    W  (r, c);  b  (c,);  returns a scalar, squared error per sample
    """
    gram = _gram(W)
    overlap = _population_moments(gram.diagonal(), b)
    return (
        _squares(gram, b, _population_moments(gram.detach(), b.detach()))
        - 2 * (gram.diagonal() * overlap.second + b * overlap.first).sum()
        + 1 / 3
    )


def empirical_loss(W: Tensor, b: Tensor, statistics: "PrefixSums", number: Tensor) -> Tensor:
    """Mean loss over data set `number` (scalar), equal to the mean of `reconstruction_losses`."""
    gram = _gram(W)
    moments, total = _empirical_moments(gram.detach(), b.detach(), statistics, number)
    overlap = gram.diagonal() * moments.second.diagonal() + b * moments.first.diagonal()
    return _squares(gram, b, moments) - 2 * overlap.sum() + total.sum()


def _gram(W: Tensor) -> Tensor:
    """A = W^T W, written out: a batch of tiny matrix products is slower."""
    return (W[:, :, None] * W[:, None, :]).sum(0)


def _squares(gram: Tensor, b: Tensor, moments: Moments) -> Tensor:
    """sum_ij E[(A_ij mu + b_j)^2; active], with the moments of the active sets held fixed.

    Exact up to second derivatives, because the integrand and its slope vanish where an output
    stops being active.
    """
    return ((gram * moments.second + 2 * b * moments.first) * gram + b * b * moments.zeroth).sum()


def _population_moments(slope: Tensor, b: Tensor) -> Moments:
    """Moments of mu uniform on [0, 1] where slope mu + b > 0, divided by the features c."""
    threshold, above = _threshold(slope, b)
    start, end = threshold * above, threshold.masked_fill(above, 1.0)
    c = len(b)
    return Moments(
        (end - start) / c,
        (end.square() - start.square()) / (2 * c),
        (end**3 - start**3) / (3 * c),
    )


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


def _empirical_moments(
    gram: Tensor, b: Tensor, statistics: PrefixSums, number: Tensor
) -> tuple[Moments, Tensor]:
    """Moments over data set `number`, and E[mu^2; i] (i,): a search and differences of sums."""
    c = len(b)
    statistics = PrefixSums(*(tensor.to(b.device) for tensor in statistics))
    group = number * c + torch.arange(c, device=b.device)  # (i,)
    threshold, above = _threshold(gram, b)
    place = _Search.apply(statistics.keys, group[:, None] + threshold)  # (i, j)
    below = statistics.sums[place + group[:, None]]  # (i, j, 3)
    totals = statistics.totals[group]  # (i, 3)
    found = torch.where(above[..., None], totals[:, None] - below, below)
    return Moments(found[..., 0], found[..., 1], found[..., 2]), totals[:, 2]


def _threshold(slope: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """t in [0, 1], and whether slope mu + b > 0 above it (else below it).

    A slope of zero is read as a tiny positive one: active everywhere if b > 0, else nowhere. It is
    not the smallest, so that the square of its reciprocal, in derivatives, is finite.
    """
    slope = slope.masked_fill(slope.abs() < 1e-100, 1e-100)
    return (-b / slope).clamp(0, 1), slope > 0


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

"""How weights move in training: one function an optimizer, over rows of flat vectors."""

from typing import NamedTuple

import torch
from torch import Tensor


class Memory(NamedTuple):
    """What an optimizer remembers."""

    first: Tensor
    """(row, d) running sum or mean of gradients."""
    second: Tensor
    """(row, d) running mean of squared gradients; (row, 0) where there is none."""


class Hyperparameters(NamedTuple):
    """Settings of the rows, (row, 1) each."""

    rate: Tensor
    momentum: Tensor
    """Of `sgd`; of `adamw` the first of its betas."""
    second_decay: Tensor
    """The second of its betas."""
    weight_decay: Tensor


def sgd(
    position: Tensor, gradient: Tensor, memory: Memory, of: Hyperparameters, decays: Tensor, t: int
) -> tuple[Tensor, Memory]:
    """v <- momentum v + g,   w <- w - rate v"""
    velocity = of.momentum * memory.first + gradient
    return position - of.rate * velocity, Memory(velocity, memory.second)


def adamw(
    position: Tensor, gradient: Tensor, memory: Memory, of: Hyperparameters, decays: Tensor, t: int
) -> tuple[Tensor, Memory]:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), at step t = 1, 2, ...

        m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
        w <- w - rate [m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + 1e-8) + weight_decay w]

    with the decay on coordinates where `decays` (d,) is 1 only.
    """
    first = torch.lerp(gradient, memory.first, of.momentum)
    second = torch.lerp(gradient.square(), memory.second, of.second_decay)
    # what is made on the way is written over: to large fleets memory is what takes the time
    scale = (second / (1 - of.second_decay**t)).sqrt_().add_(1e-8)
    change = (first / (1 - of.momentum**t)).mul_(of.rate).div_(scale)
    kept = (of.rate * of.weight_decay * decays).neg_().add_(1)
    return (position * kept).sub_(change), Memory(first, second)


OPTIMIZERS = {"sgd": sgd, "adamw": adamw}
"""By name, as settings know them."""

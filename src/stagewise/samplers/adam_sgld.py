"""SGLD driven by Adam's moments (Kim et al. 2020), as Hitchcock and Hoogland 2025 use it."""

from typing import NamedTuple

import torch
from torch import Tensor

from stagewise.samplers.target import Batch, Info, Target, potential_gradient

FULL_DATA = False


class Adapted(NamedTuple):
    """Chains with the moments of their gradients."""

    position: Tensor
    """(row, d)"""
    first: Tensor
    """(row, d) running mean of loss gradients, from 0."""
    second: Tensor
    """(row, d) running mean of squared loss gradients, from 1."""
    steps: Tensor
    """(row, 1) steps made."""


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1]


def init(position: Tensor, target: Target, batch: Batch) -> Adapted:
    """The state at `position` (row, d), not yet evaluated."""
    return Adapted(
        position,
        torch.zeros_like(position),
        torch.ones_like(position),
        position.new_zeros(len(position), 1),
    )


def step(state: Adapted, target: Target, batch: Batch, noise: Tensor) -> tuple[Adapted, Info]:
    """One step of every chain,

        m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
        eps = epsilon / (sqrt(v / (1 - b2^t)) + a)
        w <- w - (eps/2) [n beta m / (1 - b1^t) + gamma (w - w*)] + sqrt(eps) eta

    with g the gradient of the batch's mean loss. It samples no law that is known: the gradient
    lags behind the position by about 1 / (1 - b1) steps, and eps depends on the position.
    """
    options = target.options
    loss, gradient = target.loss_and_gradient(state.position, batch)
    steps = state.steps + 1
    first = options.momentum * state.first + (1 - options.momentum) * gradient
    second = options.decay * state.second + (1 - options.decay) * gradient.square()
    root = (second / (1 - options.decay**steps)).sqrt()
    epsilon = target.epsilon / (root + options.stabiliser)
    smooth = first / (1 - options.momentum**steps)
    drift = potential_gradient(state.position, smooth, target)
    position = state.position - epsilon / 2 * drift + epsilon.sqrt() * noise * target.mask
    return Adapted(position, first, second, steps), Info(loss)

"""SGLD with an RMSProp preconditioner (Li et al. 2015), as Hitchcock and Hoogland 2025 use it."""

from typing import NamedTuple

import torch
from torch import Tensor

from stagewise.samplers.target import Batch, Info, Target, potential_gradient

FULL_DATA = False


class Adapted(NamedTuple):
    """Chains with the preconditioners they have learned."""

    position: Tensor
    """(row, d)"""
    second: Tensor
    """(row, d) running mean of squared loss gradients, from 1."""
    frozen: Tensor
    """(row, d) the part of it, as it was before freezing, that is summed up so far."""
    steps: Tensor
    """(row, 1) steps made."""


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1]


def init(position: Tensor, target: Target, batch: Batch) -> Adapted:
    """The state at `position` (row, d), not yet evaluated."""
    return Adapted(
        position,
        torch.ones_like(position),
        torch.zeros_like(position),
        position.new_zeros(len(position), 1),
    )


def step(state: Adapted, target: Target, batch: Batch, noise: Tensor) -> tuple[Adapted, Info]:
    """One step of every chain: SGLD with a step size of its own for every coordinate,

        v <- b2 v + (1 - b2) g^2,   eps = epsilon / (sqrt(v / (1 - b2^t)) + a)
        w <- w - (eps/2) [n beta g + gamma (w - w*)] + sqrt(eps) eta

    with g the gradient of the batch's mean loss. Since eps depends on w, the law that is sampled
    is exact only where a further term, the divergence of the preconditioner, is added; like the
    paper this leaves it out, and is biased at any step size. With `freeze` steps that is so only
    until then: eps is a constant from there on, from the mean of v over the second half of them.
    """
    options = target.options
    loss, gradient = target.loss_and_gradient(state.position, batch)
    steps = state.steps + 1
    second = options.decay * state.second + (1 - options.decay) * gradient.square()
    used, frozen = second / (1 - options.decay**steps), state.frozen
    if options.freeze is not None:
        start = options.freeze // 2
        summed = (steps > start) & (steps <= options.freeze)
        frozen = frozen + torch.where(summed, used / (options.freeze - start), 0)
        used = torch.where(steps > options.freeze, frozen, used)
    epsilon = target.epsilon / (used.sqrt() + options.stabiliser)
    drift = potential_gradient(state.position, gradient, target)
    position = state.position - epsilon / 2 * drift + epsilon.sqrt() * noise * target.mask
    return Adapted(position, second, frozen, steps), Info(loss)

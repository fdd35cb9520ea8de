"""Stochastic-gradient Hamiltonian Monte Carlo (Chen et al. 2014)."""

from typing import NamedTuple

import torch
from torch import Tensor

from stagewise.samplers.target import Batch, Info, Target, potential_gradient

FULL_DATA = False


class Moving(NamedTuple):
    """Chains and their momenta."""

    position: Tensor
    """(row, d)"""
    momentum: Tensor
    """(row, d) what is added to the position in a step."""


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1]


def init(position: Tensor, target: Target, batch: Batch) -> Moving:
    """The state at `position` (row, d), at rest."""
    return Moving(position, torch.zeros_like(position))


def step(state: Moving, target: Target, batch: Batch, noise: Tensor) -> tuple[Moving, Info]:
    """One step of every chain, with h = epsilon / 2 and alpha the friction,

        p <- (1 - alpha) p - h [n beta grad L_B(w) + gamma (w - w*)] + sqrt(2 alpha h) eta
        w <- w + p

    at the temperature of the target: momenta have variance h, so the force acts with h (half of
    it, with the same noise, would sample at twice the temperature). With alpha = 1 this is SGLD
    with the same epsilon. On a quadratic of precision p the stationary precision is
    p (1 - epsilon p / (4 (2 - alpha))).
    """
    loss, gradient = target.loss_and_gradient(state.position, batch)
    h, friction = target.epsilon / 2, target.options.friction
    force = potential_gradient(state.position, gradient, target)
    kick = (2 * friction * h).sqrt() * noise * target.mask
    momentum = (1 - friction) * state.momentum - h * force + kick
    return Moving(state.position + momentum, momentum), Info(loss)

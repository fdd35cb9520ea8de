"""Stochastic-gradient Nose-Hoover thermostat (Ding et al. 2014)."""

from typing import NamedTuple

import torch
from torch import Tensor

from stagewise.samplers.target import Batch, Info, Target, potential_gradient

FULL_DATA = False


class Thermostat(NamedTuple):
    """Chains, their momenta and thermostats."""

    position: Tensor
    """(row, d)"""
    momentum: Tensor
    """(row, d) what is added to the position in a step."""
    friction: Tensor
    """(row, 1) xi, one thermostat a chain."""


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1]


def init(position: Tensor, target: Target, batch: Batch) -> Thermostat:
    """The state at `position` (row, d), at rest, with the friction it starts from."""
    start = torch.full_like(target.epsilon, target.options.friction)
    return Thermostat(position, torch.zeros_like(position), start)


def step(state: Thermostat, target: Target, batch: Batch, noise: Tensor) -> tuple[Thermostat, Info]:
    """One step of every chain, with h = epsilon / 2 and A the friction it starts from,

        p <- (1 - xi) p - h [n beta grad L_B(w) + gamma (w - w*)] + sqrt(2 A h) eta
        w <- w + p
        xi <- xi + |p|^2 / d - h

    with d the coordinates that are sampled. The friction rises while momenta are hotter than the
    target, so that noise of the gradient, of whatever size, is carried off. The thermostat holds
    the momenta of these discrete steps at h, which are a little hotter than h in `sghmc`: on a
    quadratic positions are colder by 1 - xi / 2.
    """
    loss, gradient = target.loss_and_gradient(state.position, batch)
    h = target.epsilon / 2
    force = potential_gradient(state.position, gradient, target)
    kick = (2 * target.options.friction * h).sqrt() * noise * target.mask
    momentum = (1 - state.friction) * state.momentum - h * force + kick
    sampled = target.mask.sum(1, keepdim=True)
    heat = momentum.square().sum(1, keepdim=True) / sampled - h
    return Thermostat(state.position + momentum, momentum, state.friction + heat), Info(loss)

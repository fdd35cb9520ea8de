"""Stochastic-gradient Langevin dynamics (Welling and Teh 2011), as Lau et al. 2023 use it."""

import torch
from torch import Tensor

from stagewise.samplers.target import Batch, Info, State, Target

FULL_DATA = False


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1]


def init(position: Tensor, target: Target, batch: Batch) -> State:
    """The state at `position` (row, d), not yet evaluated: `step` evaluates where it starts."""
    return State(position, position.new_zeros(len(position)), torch.zeros_like(position))


def step(state: State, target: Target, batch: Batch, noise: Tensor) -> tuple[State, Info]:
    """One step of every chain.

        w <- w - (epsilon/2) [n beta grad L_B(w) + gamma (w - w*)] + sqrt(epsilon) eta

    with L_B the mean loss of the step's batch and `noise` eta (row, d) standard normal.
    On a quadratic of precision p the stationary precision is p (1 - epsilon p / 4).
    """
    loss, gradient = target.loss_and_gradient(state.position, batch)
    position = target.langevin(state.position, gradient, noise, target)
    return State(position, loss, gradient), Info(loss)

"""Hamiltonian Monte Carlo (Duane et al. 1987): exact, and far at a step where MALA creeps."""

import torch
from torch import Tensor

from stagewise.samplers.metropolis import decided
from stagewise.samplers.target import (
    Batch,
    Info,
    State,
    Target,
    potential,
    potential_gradient,
)

FULL_DATA = True

JITTER = 0.2
"""Share by which the step size varies between trajectories: a trajectory of fixed length comes
back to where it started in directions of one frequency."""


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1] + 2


def init(position: Tensor, target: Target, batch: Batch) -> State:
    """The state at `position` (row, d), with its loss and gradient on `batch`."""
    return State(position, *target.loss_and_gradient(position, batch))


def step(state: State, target: Target, batch: Batch, noise: Tensor) -> tuple[State, Info]:
    """One trajectory of every chain, accepted with probability min(1, exp(H - H')).

    H = U(w) + |p|^2 / 2 with fresh momenta p ~ N(0, I), followed by options.leapfrog leapfrog
    steps of size sqrt(epsilon) (1 + JITTER u), u uniform on [-1, 1]. One leapfrog step without
    the jitter is MALA with the same epsilon. Of `noise` (row, d + 2) the last two columns are the
    uniform numbers of the jitter and of the decision, through the normal distribution function.
    A trajectory that ends where the loss is not finite is rejected.
    """
    momentum = noise[:, :-2] * target.mask
    uniform = torch.special.ndtr(noise[:, -2:-1])
    size = target.epsilon.sqrt() * (1 + JITTER * (2 * uniform - 1))
    position, loss, gradient = state
    before = potential(position, loss, target) + momentum.square().sum(-1) / 2
    momentum = momentum - size / 2 * potential_gradient(position, gradient, target)
    for _ in range(target.options.leapfrog):
        position = position + size * momentum
        loss, gradient = target.loss_and_gradient(position, batch)
        momentum = momentum - size * potential_gradient(position, gradient, target)
    momentum = momentum + size / 2 * potential_gradient(position, gradient, target)
    after = potential(position, loss, target) + momentum.square().sum(-1) / 2
    return decided(state, State(position, loss, gradient), before - after, noise[:, -1])

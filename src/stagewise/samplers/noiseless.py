"""Langevin dynamics without its noise: how far a chain goes by descending alone.

A control for checkpoints that are not minima. Run for the same time, epsilon times steps, as a
Langevin sampling of the same target, its LLC is the part of that estimate that descent explains:
zero at a minimum, negative elsewhere.
"""

from torch import Tensor

from stagewise.samplers.sgld import init
from stagewise.samplers.target import Batch, Info, State, Target, potential_gradient

__all__ = ["FULL_DATA", "init", "noise_size", "step"]

FULL_DATA = False


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return 0


def step(state: State, target: Target, batch: Batch, noise: Tensor) -> tuple[State, Info]:
    """One step of every chain: w <- w - (epsilon/2) [n beta grad L_B(w) + gamma (w - w*)]."""
    loss, gradient = target.loss_and_gradient(state.position, batch)
    drift = potential_gradient(state.position, gradient, target)
    position = state.position - target.epsilon / 2 * drift
    return State(position, loss, gradient), Info(loss)

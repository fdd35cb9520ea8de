"""Metropolis-adjusted Langevin (Roberts and Tweedie 1996): exact for any stable step size."""

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


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1] + 1


def init(position: Tensor, target: Target, batch: Batch) -> State:
    """The state at `position` (row, d), with its loss and gradient on `batch`."""
    return State(position, *target.loss_and_gradient(position, batch))


def step(state: State, target: Target, batch: Batch, noise: Tensor) -> tuple[State, Info]:
    """One proposal of every chain, accepted with probability min(1, ratio).

        w' = w - (epsilon/2) grad U(w) + sqrt(epsilon) eta
        log ratio = U(w) - U(w') + log q(w | w') - log q(w' | w)

    The loss must be the same function at every step: full data or a population loss.
    `noise` (row, d + 1) is standard normal; its last column, mapped through the normal
    distribution function, is the uniform number that decides. A proposal where the loss is
    not finite is rejected.
    """
    eta, decision = noise[:, :-1] * target.mask, noise[:, -1]
    drift = potential_gradient(state.position, state.gradient, target)
    proposed = state.position - target.epsilon / 2 * drift + target.epsilon.sqrt() * eta
    loss, gradient = target.loss_and_gradient(proposed, batch)
    drift_back = potential_gradient(proposed, gradient, target)
    eta_back = (state.position - proposed + target.epsilon / 2 * drift_back) / target.epsilon.sqrt()
    log_ratio = (
        potential(state.position, state.loss, target)
        - potential(proposed, loss, target)
        + (eta.square().sum(-1) - eta_back.square().sum(-1)) / 2
    )
    return decided(state, State(proposed, loss, gradient), log_ratio, decision)

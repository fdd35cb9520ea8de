"""What a sampler sees: a tempered, localized density over flat parameter vectors, and its chains.

Every sampler file has the same two functions:

    init(position, target, batch) -> State
    step(state, target, batch, noise) -> (State, Info)

and a third, noise_size(target) -> int, the standard normals that one chain consumes in a step.
All are functions of their arguments alone. Rows are chains; a chain's draws depend on its own
row of the arguments only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

Batch = Mapping[str, Tensor]
"""Data of one step, by name: tensors (row, sample, ...), or none for a population loss."""

LossAndGradient = Callable[[Tensor, Batch], tuple[Tensor, Tensor]]
"""(position (row, d), batch) -> mean loss L in nats (row,), and its gradient (row, d).

A position with k times as many rows is read as k consecutive rows for each row of the target.
"""


Langevin = Callable[[Tensor, Tensor, Tensor, "Target"], Tensor]
"""`langevin`, or what does the same."""


@dataclass(frozen=True)
class Target:
    """The local posterior p(w) proportional to exp(-n beta L(w) - (gamma/2) |w - w*|^2).

    Lau et al. 2023 (2308.12108), eq. for the localized tempered posterior. Coordinates where
    `mask` is 0 are held at the centre: this is the weight restriction of the refined LLC.
    """

    loss_and_gradient: LossAndGradient
    centre: Tensor
    """(row, d) the point w* the chain is tethered to."""
    nbeta: Tensor
    """(row, 1) number of samples times inverse temperature."""
    localization: Tensor
    """(row, 1) gamma, the precision of the tether."""
    epsilon: Tensor
    """(row, 1) step size."""
    mask: Tensor
    """(row, d) 1 where the coordinate is sampled, 0 where it is held."""
    shapes: Mapping[str, tuple[int, ...]]
    """Parameter tensors of which a position is the concatenation, in this order."""
    constants: Mapping[str, Tensor]
    """Tensors (row, ...) that the loss of a row depends on and that are not sampled."""
    options: Any = None
    """Settings that only this sampler has: its class in `samplers/options.py`."""
    langevin: Langevin = lambda *given: langevin(*given)
    """The function of that name below, however it is computed."""


class State(NamedTuple):
    """One draw of every chain, with what the next step needs.

    Samplers may have a kind of their own; every field has the rows first, so that rows can be
    stepped apart.
    """

    position: Tensor
    """(row, d)"""
    loss: Tensor
    """(row,) mean loss at `position` on the data of the step that evaluated it, in nats."""
    gradient: Tensor
    """(row, d) gradient of that loss."""


class Info(NamedTuple):
    """What a step tells about itself; never needed to go on."""

    loss: Tensor
    """(row,) mean loss at the position the step *started* from, on the step's own data."""
    acceptance: Tensor | None = None
    """(row,) probability with which the proposal was accepted; None for unadjusted samplers."""
    exchange: Tensor | None = None
    """(row,) mean probability of the exchanges between temperatures that were proposed; None for
    samplers of one temperature."""


class Kernel(Protocol):
    """A sampler: the module-level functions of one file of this folder."""

    FULL_DATA: bool
    """Whether the loss must be the same function at every step: no minibatches."""

    def noise_size(self, target: Target) -> int: ...

    def init(self, position: Tensor, target: Target, batch: Batch) -> State: ...

    def step(
        self, state: State, target: Target, batch: Batch, noise: Tensor
    ) -> tuple[State, Info]: ...


def potential_gradient(position: Tensor, gradient: Tensor, target: Target) -> Tensor:
    """grad U = n beta grad L + gamma (w - w*), zero on held coordinates.  (row, d)"""
    pull = target.localization * (position - target.centre)
    return (target.nbeta * gradient + pull) * target.mask


def langevin(position: Tensor, gradient: Tensor, noise: Tensor, target: Target) -> Tensor:
    """w - (epsilon/2) grad U + sqrt(epsilon) eta, the noise on sampled coordinates only.  (row, d)

    `gradient` (row, d) is that of L, `noise` eta (row, d) standard normal.
    """
    drift = potential_gradient(position, gradient, target)
    return position - target.epsilon / 2 * drift + target.epsilon.sqrt() * noise * target.mask


def potential(position: Tensor, loss: Tensor, target: Target) -> Tensor:
    """U = n beta L + (gamma/2) |w - w*|^2, minus the log-density up to a constant.  (row,)"""
    distance = ((position - target.centre) * target.mask).square().sum(-1)
    return target.nbeta[:, 0] * loss + target.localization[:, 0] * distance / 2

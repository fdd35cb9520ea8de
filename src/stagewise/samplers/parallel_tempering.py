"""Parallel tempering (Geyer 1991; Swendsen and Wang 1986) of Metropolis-adjusted Langevin chains.

Each row of the target is a ladder of K chains at inverse temperatures

    nbeta_t = nbeta * lowest^(t / (K - 1)),   t = 0, ..., K - 1

and its position is that of the coldest, t = 0. K and lowest are its options. Chain t has the step
size epsilon (nbeta + gamma) / (nbeta_t + gamma): epsilon in the same unit of its own curvature.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from stagewise.samplers import mala
from stagewise.samplers.target import Batch, Info, State, Target

FULL_DATA = True


class Ladder(NamedTuple):
    """All temperatures of every row."""

    positions: Tensor
    """(row, K, d)"""
    losses: Tensor
    """(row, K) mean loss at the positions, in nats."""
    gradients: Tensor
    """(row, K, d) gradients of that loss."""
    sweeps: Tensor
    """(row, 1) steps made: even ones exchange pairs (0, 1), (2, 3), ..., odd ones the others."""

    @property
    def position(self) -> Tensor:
        """(row, d) of the coldest chains."""
        return self.positions[:, 0]


def temperatures(target: Target) -> Tensor:
    """nbeta of every chain of every ladder, falling.  (row, K)"""
    count = target.options.temperatures
    places = torch.arange(count, dtype=target.nbeta.dtype, device=target.nbeta.device)
    powers = places / (count - 1)
    return target.nbeta * target.options.lowest**powers


def noise_size(target: Target) -> int:
    """Standard normals of one ladder and step: MALA's for each chain, one for each exchange."""
    count = target.options.temperatures
    return count * mala.noise_size(target) + count - 1


def init(position: Tensor, target: Target, batch: Batch) -> Ladder:
    """Every chain of a ladder at the row's `position` (row, d)."""
    flat = _chains(target)
    state = mala.init(position.repeat_interleave(target.options.temperatures, dim=0), flat, batch)
    return _ladder(state, len(position), position.new_zeros(len(position), 1, dtype=torch.int64))


def step(state: Ladder, target: Target, batch: Batch, noise: Tensor) -> tuple[Ladder, Info]:
    """One MALA step of every chain, then exchanges of every other pair of neighbours.

    Positions at nbeta_t and nbeta_(t+1) change places with probability

        min(1, exp[(nbeta_t - nbeta_(t+1)) (L_t - L_(t+1))])

    which leaves the product of all tempered posteriors invariant; the tether is common to all
    temperatures and cancels. Info.acceptance is that of the coldest chain's MALA step,
    Info.exchange the mean probability of the exchanges proposed.
    """
    rows, count, d = state.positions.shape
    own, decisions = noise.split([count * (d + 1), count - 1], dim=1)
    flat = State(
        state.positions.reshape(-1, d), state.losses.reshape(-1), state.gradients.reshape(-1, d)
    )
    moved, info = mala.step(flat, _chains(target), batch, own.reshape(rows * count, d + 1))
    ladder = _ladder(moved, rows, state.sweeps + 1)

    nbeta = temperatures(target)
    log_ratio = (nbeta[:, :-1] - nbeta[:, 1:]) * (ladder.losses[:, :-1] - ladder.losses[:, 1:])
    places = torch.arange(count, device=noise.device)
    proposed = (places[:-1] + state.sweeps) % 2 == 0  # (row, pair)
    accepted = proposed & (torch.special.log_ndtr(decisions) < log_ratio)  # (row, pair)
    none = noise.new_zeros(rows, 1, dtype=torch.int64)
    # pairs do not overlap: chain t takes from t + 1 if the pair above is exchanged, or from t - 1
    source = places + torch.cat([accepted, none], 1) - torch.cat([none, accepted], 1)
    where = source[:, :, None].expand(rows, count, d)
    following = Ladder(
        ladder.positions.gather(1, where),
        ladder.losses.gather(1, source),
        ladder.gradients.gather(1, where),
        ladder.sweeps,
    )
    probability = (log_ratio.clamp(max=0).exp() * proposed).sum(1) / proposed.sum(1).clamp(min=1)
    assert info.acceptance is not None  # MALA decides
    acceptance = info.acceptance.reshape(rows, count)[:, 0]
    return following, Info(state.losses[:, 0], acceptance, probability)


def _ladder(state: State, rows: int, sweeps: Tensor) -> Ladder:
    return Ladder(
        state.position.reshape(rows, -1, state.position.shape[1]),
        state.loss.reshape(rows, -1),
        state.gradient.reshape(rows, -1, state.position.shape[1]),
        sweeps,
    )


def _chains(target: Target) -> Target:
    """The target of all chains as consecutive rows: K for each row of `target`."""
    count, nbeta = target.options.temperatures, temperatures(target)
    epsilon = target.epsilon * (target.nbeta + target.localization) / (nbeta + target.localization)

    def repeated(tensor: Tensor) -> Tensor:
        return tensor.repeat_interleave(count, dim=0)

    return replace(
        target,
        centre=repeated(target.centre),
        nbeta=nbeta.reshape(-1, 1),
        localization=repeated(target.localization),
        epsilon=epsilon.reshape(-1, 1),
        mask=repeated(target.mask),
        constants={name: repeated(tensor) for name, tensor in target.constants.items()},
    )

"""Block Gibbs for deep linear networks: exact draws without a step size.

Given all other factors, one factor of W_L ... W_1 is Gaussian, so it can be drawn exactly. The
sampler knows the model: the parameters are one tensor W (layer, width, width), the loss is the
population loss (1/2) |W_L ... W_1 - C|_F^2 with C the constant `target`.
"""

from functools import reduce

import torch
from torch import Tensor

from stagewise.samplers.target import Batch, Info, State, Target

FULL_DATA = True


def noise_size(target: Target) -> int:
    """Standard normals of one chain and step."""
    return target.centre.shape[1]


def init(position: Tensor, target: Target, batch: Batch) -> State:
    """The state at `position` (row, d), with its loss."""
    return State(position, _loss(position, target), torch.zeros_like(position))


def _factors(position: Tensor, target: Target) -> list[Tensor]:
    """The factors (row, width, width), the input's layer first."""
    layers, width, _ = target.shapes["W"]
    return list(position.view(-1, layers, width, width).unbind(1))


def _loss(position: Tensor, target: Target) -> Tensor:
    whole = reduce(lambda below, factor: factor @ below, _factors(position, target))
    return (whole - target.constants["target"]).square().sum((1, 2)) / 2


def step(state: State, target: Target, batch: Batch, noise: Tensor) -> tuple[State, Info]:
    """One sweep over the factors, from the input's to the output's.

    With P the product of the factors above W and S of those below, the conditional density of
    W is Gaussian with

        precision  n beta (P^T P kron S S^T) + gamma
        mean       solves  n beta P^T P W S S^T + gamma W = n beta P^T C S^T + gamma W*

    In the eigenbases of P^T P and S S^T all entries are independent. Coordinates outside the
    mask must be padding (zero, or a whole identity layer): they keep their values.

    The loss it reports is not that of the draw but its conditional mean given all factors but
    one, averaged over which one: the same expectation with a fraction of the variance
    (Rao-Blackwell).
    """
    nbeta = target.nbeta[:, :, None]
    gamma = target.localization[:, :, None]
    factors, masks = _factors(state.position, target), _factors(target.mask, target)
    centres, noises = _factors(target.centre, target), _factors(noise, target)
    truth = target.constants["target"]
    one = torch.eye(truth.shape[-1], dtype=truth.dtype, device=truth.device).expand_as(truth)
    above = [one]
    for factor in reversed(factors[1:]):
        above.append(above[-1] @ factor)
    below = one
    expected = truth.new_zeros(len(truth))
    for layer, whole in enumerate(reversed(above)):
        if masks[layer].any():
            exists = masks[layer] > 0
            up, down = whole * exists.any(2)[:, None, :], below * exists.any(1)[:, :, None]
            values_up, basis_up = torch.linalg.eigh(up.mT @ up)
            values_down, basis_down = torch.linalg.eigh(down @ down.mT)
            precision = (
                nbeta * values_up.clamp_min(0)[:, :, None] * values_down.clamp_min(0)[:, None, :]
                + gamma
            )
            pull = nbeta * (up.mT @ truth @ down.mT) + gamma * centres[layer]
            rotated = basis_up.mT @ pull @ basis_down
            mean = basis_up @ (rotated / precision) @ basis_down.mT
            spread = basis_up @ (noises[layer] / precision.sqrt()) @ basis_down.mT
            drawn = mean + spread
            error = (up @ mean @ down - truth).square().sum((1, 2))
            scatter = ((precision - gamma) / precision).sum((1, 2)) / nbeta[:, 0, 0]
            real = exists.flatten(1).any(1)
            expected += torch.where(real, (error + scatter) / 2, 0)
            factors[layer] = torch.where(exists, drawn, factors[layer])
        below = factors[layer] @ below
    position = torch.stack(factors, dim=1).flatten(1)
    loss = (below - truth).square().sum((1, 2)) / 2
    layers = sum(mask.flatten(1).any(1).to(loss.dtype) for mask in masks)
    following = State(position, loss, state.gradient)
    return following, Info(expected / layers)

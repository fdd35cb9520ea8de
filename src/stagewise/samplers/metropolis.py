"""The decision that samplers with proposals share (Metropolis et al. 1953; Hastings 1970)."""

import torch
from torch import Tensor

from stagewise.samplers.target import Info, State


def decided(
    state: State, proposed: State, log_ratio: Tensor, decision: Tensor
) -> tuple[State, Info]:
    """Each row's proposal with probability min(1, exp(log_ratio)), else its state.

    log_ratio  (row,); not a number, where the loss is not finite, counts as a rejection
    decision   (row,) standard normal: its distribution function is the uniform number that decides
    """
    log_ratio = torch.nan_to_num(log_ratio, nan=-torch.inf)
    accepted = torch.special.log_ndtr(decision) < log_ratio
    keep = accepted[:, None]
    following = State(
        torch.where(keep, proposed.position, state.position),
        torch.where(accepted, proposed.loss, state.loss),
        torch.where(keep, proposed.gradient, state.gradient),
    )
    return following, Info(state.loss, log_ratio.clamp(max=0).exp())

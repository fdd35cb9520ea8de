"""What susceptibilities are made of, summed along chains: tokens' losses and their mean."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Response:
    """Running mean of every loss of each chain, and its running covariance with their mean L.

    Sums of differences from the losses at the centre, as of `observables.Moments`.
    """

    def __init__(self, at_centre: Tensor) -> None:
        """at_centre (row, sample[, token])"""
        self._centre = at_centre.double()
        rows = len(at_centre)
        self.sums = torch.zeros_like(self._centre)
        self.products = torch.zeros_like(self._centre)
        self.total = self._centre.new_zeros(rows)
        self.square = self._centre.new_zeros(rows)

    def add(self, losses: Tensor, weight: Tensor) -> None:
        """Losses (row, sample[, token]) of one draw of each chain, with weights (row, 1)."""
        apart = losses.double() - self._centre
        mean = apart.flatten(1).mean(1, keepdim=True)
        self.sums += _like(weight, apart) * apart
        self.products += _like(weight * mean, apart) * apart
        self.total += (weight * mean)[:, 0]
        self.square += (weight * mean.square())[:, 0]

    def tensors(self) -> dict[str, Tensor]:
        """What is added up so far."""
        return {
            "sums": self.sums,
            "products": self.products,
            "total": self.total,
            "square": self.square,
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on where `tensors` was called."""
        device = self._centre.device
        self.sums = tensors["sums"].clone().to(device)
        self.products = tensors["products"].clone().to(device)
        self.total = tensors["total"].clone().to(device)
        self.square = tensors["square"].clone().to(device)

    def found(self, draws: int) -> dict[str, Tensor]:
        """Averages over `draws` draws of weight 1: loss_mean and loss_response = Cov[loss, L] (row,
        sample[, token]), total_mean = E[L] and total_variance (row,)."""
        rise, total = self.sums / draws, self.total / draws
        centre = self._centre.flatten(1).mean(1)
        return {
            "loss_mean": self._centre + rise,
            "loss_response": self.products / draws - _like(total[:, None], rise) * rise,
            "total_mean": centre + total,
            "total_variance": self.square / draws - total.square(),
        }


def _like(column: Tensor, other: Tensor) -> Tensor:
    """(row, 1) with as many dimensions as `other`."""
    return column.reshape(-1, *[1] * (other.dim() - 1))

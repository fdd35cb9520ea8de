"""Observables along chains: per-sample losses on fixed data, as traces on disk or as moments."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.flat import Shapes
from stagewise.engine.pieces import piece_length, pieces
from stagewise.engine.program import Program
from stagewise.engine.response import Response
from stagewise.engine.sampling import Observation
from stagewise.testbeds.testbed import Observable

Trace = NDArray[Any]


class TraceRows(NamedTuple):
    """Some rows of a trace."""

    trace: Trace
    rows: NDArray[np.int64]


"""(row, evaluation, image, sample[, token]), single precision; in memory, or mapped from a file."""


class Evaluation:
    """The losses of an observable at many positions, in pieces that fit into memory."""

    def __init__(
        self,
        observable: Observable,
        shapes: Shapes,
        constants: Mapping[str, Tensor],
        *,
        rows: int,
        memory: int,
        half: bool = False,
        alone: bool = False,
        own: bool = False,
    ) -> None:
        """`memory` bounds the bytes that the operations of one piece write; `alone` and `own` as
        of `Program`."""
        self._program = Program(
            observable.losses, shapes, constants, rows=rows, half=half, alone=alone, own=own
        )
        self._data, self._memory = observable.data, memory
        self._length: int | None = None

    def losses(self, position: Tensor) -> Tensor:
        """(row, sample[, token]) at `position` (row, d), without gradients."""

        def each(data: Mapping[str, Tensor]) -> Tensor:
            return self._program.each(position, data)

        if self._length is None:
            self._length = piece_length(each, self._data, self._memory)
        return torch.cat([each(piece) for _, piece in pieces(self._data, self._length)], dim=1)


class Moments:
    """Running mean and covariance of losses over the draws of each chain.

    Sums of differences from the losses at the centre: what is common to all draws cancels before
    it is squared.
    """

    def __init__(self, at_centre: Tensor) -> None:
        """at_centre (row, entry)"""
        self._centre = at_centre.double()
        rows, entries = at_centre.shape
        self.sums = self._centre.new_zeros(rows, entries)
        self.products = self._centre.new_zeros(rows, entries, entries)

    def add(self, losses: Tensor, weight: Tensor) -> None:
        """Losses (row, ...) of one draw of each chain, with weights (row, 1)."""
        apart = losses.flatten(1).double() - self._centre
        self.sums += weight * apart
        self.products += (weight * apart)[:, :, None] * apart[:, None, :]

    def tensors(self) -> dict[str, Tensor]:
        """What is added up so far."""
        return {"sums": self.sums, "products": self.products}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on where `tensors` was called."""
        self.sums = tensors["sums"].clone().to(self._centre.device)
        self.products = tensors["products"].clone().to(self._centre.device)

    def found(self, draws: int) -> dict[str, Tensor]:
        """From `draws` draws of weight 1: loss_mean (row, entry) and loss_covariance (row, entry,
        entry), the unbiased estimate."""
        mean = self.sums / draws
        outer = mean[:, :, None] * mean[:, None, :]
        return {
            "loss_mean": self._centre + mean,
            "loss_covariance": (self.products / draws - outer) * draws / (draws - 1),
        }


class Observed:
    """One observable along the chains of the rows stepped together."""

    def __init__(
        self,
        observation: Observation,
        evaluation: Evaluation,
        centre: Tensor,
        traced: TraceRows | None,
    ) -> None:
        """`traced` is where the rows' losses go, if a trace is kept."""
        self._every, self._evaluation, self._traced = observation.every, evaluation, traced
        self.moments: Moments | Response | None = None
        if observation.keep == "covariance":
            self.moments = Moments(evaluation.losses(centre).flatten(1))
        elif observation.keep == "response":
            self.moments = Response(evaluation.losses(centre))

    def record(self, draw: int, positions: Tensor, weights: Tensor) -> None:
        """One recorded draw of every chain, and its mirror image if there are two.

        positions (image, row, d), weights (image, row): their probabilities, which sum to 1.
        """
        if draw % self._every:
            return
        for image, (position, weight) in enumerate(zip(positions, weights, strict=True)):
            losses = self._evaluation.losses(position)
            if self.moments is not None:
                self.moments.add(losses, weight[:, None].double())
            elif self._traced is not None:
                trace, rows = self._traced
                trace[rows, draw // self._every, image] = losses.float().cpu().numpy()


def evaluations(observation: Observation, draws: int) -> int:
    """How many of so many recorded draws are evaluated."""
    return -(-draws // observation.every)

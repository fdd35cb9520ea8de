"""The rise of the loss along the amounts of a scheme, for all tolerances at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.compression.critical import running_maximum
from stagewise.compression.scheme import Compression


@dataclass(frozen=True)
class Sweep:
    """What was measured of one checkpoint under one scheme."""

    loss: float
    """Of the weights as they are, in nats."""
    amounts: NDArray[np.float64]
    """(amount,) falling; those after the sweep ended are not there."""
    rises: NDArray[np.float64]
    """(amount, draw) of the loss, on the same data, in nats."""
    bits: NDArray[np.float64]
    """(amount,) description length."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Rise of the loss (amount,), averaged over draws."""
        return self.rises.mean(1)

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Of that mean (amount,); not a number for one draw."""
        draws = self.rises.shape[1]
        if draws == 1:
            return np.full(len(self.rises), np.nan)
        with np.errstate(invalid="ignore"):  # a loss that is infinite
            return self.rises.std(1, ddof=1) / np.sqrt(draws)


@torch.no_grad()
def sweep(
    compression: Compression,
    losses: Callable[[Mapping[str, Tensor]], Tensor],
    amounts: Sequence[float],
    *,
    limit: float,
    at_once: int,
) -> Sweep:
    """The rise at one amount after the other, until its running maximum is above `limit`.

    losses   weights (model, ...) -> mean loss of each model (model,), always on the same data
    amounts  falling: from the least compression to the most
    limit    the largest tolerance that is of interest, in nats: critical amounts up to it are those
             of all amounts
    at_once  models that `losses` gets together, as many as memory allows; what one takes can be
             counted (`engine.pieces.piece_length` on one model). Draws and, where there is room for
             more, amounts share a call; then up to at_once models beyond the limit are made

    Results do not depend on at_once, but for the rounding of `losses`.
    """
    if at_once < 1:
        raise ValueError(f"at_once: must be at least 1, got {at_once}")
    if not amounts or not all(a > b for a, b in pairwise(amounts)):
        raise ValueError("amounts: there must be some, and fall from the least compression on")
    loss = float(losses({name: tensor[None] for name, tensor in compression.original.items()})[0])
    if not isfinite(loss):
        raise ValueError(f"losses: {loss} for the weights as they are")
    draws = compression.draws
    places = [(amount, draw) for amount in amounts for draw in range(draws)]
    found: list[float] = []
    for start in range(0, len(places), at_once):
        some = places[start : start + at_once]
        models = compression.models([amount for amount, _ in some], [draw for _, draw in some])
        found += losses(models).tolist()
        rises = _whole(found, draws) - loss
        passed = running_maximum(rises.mean(1)) > limit
        if passed.any():
            rises = rises[: int(passed.argmax()) + 1]
            break
    done = list(amounts[: len(rises)])
    bits = [compression.bits(amount) for amount in done]
    return Sweep(loss, np.array(done, dtype=float), rises, np.array(bits))


def _whole(losses: Sequence[float], draws: int) -> NDArray[np.float64]:
    """Of the amounts that have all their draws, (amount, draw)."""
    amounts = len(losses) // draws
    return np.array(losses[: amounts * draws]).reshape(amounts, draws)

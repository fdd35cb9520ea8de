"""The losses at w*: of the data, of samples, and of what is observed."""

import torch
from torch import Tensor

from stagewise.engine.execution import EAGER, Mode
from stagewise.engine.observables import Evaluation
from stagewise.engine.pieces import PIECE
from stagewise.engine.posteriors import Posteriors
from stagewise.engine.program import Program
from stagewise.testbeds.testbed import Observable


def reported_loss(found: Posteriors, mode: Mode) -> Tensor:
    """Mean loss of every checkpoint on the data of reported losses, (checkpoint,), nats per sample;
    ValueError where it is not finite."""
    testbed, points = found.testbed, found.points
    if testbed.divisible:
        observed = Observable(testbed.losses, testbed.reported)
        losses = _losses(found, observed, PIECE, mode).mean(1)
    else:
        program = Program(testbed.whole_losses, found.shapes, points.constants, rows=len(points))
        losses = program.loss(found.centres, testbed.reported)
    if not torch.isfinite(losses).all():
        bad = int((~torch.isfinite(losses)).nonzero()[0])
        raise ValueError(f"the loss at checkpoint {bad} itself is not finite")
    return losses


def losses_of_samples(found: Posteriors, memory: int, mode: Mode) -> Tensor:
    """Loss of every sample at every checkpoint, (checkpoint, sample): L_B(w*) of any batch, in the
    precision and by the kernels of the steps. `memory` bounds the bytes that the operations of one
    piece of the data write."""
    observed = Observable(found.testbed.losses, found.testbed.data)
    half = found.sampling.precision == "bfloat16"
    return _losses(found, observed, memory, mode, half=half)


def observed_losses(found: Posteriors, memory: int) -> dict[str, Tensor]:
    """Observable -> its losses at each checkpoint, (checkpoint, sample[, token])."""
    return {
        name: _losses(found, found.testbed.observables[name], memory, EAGER)
        for name in found.sampling.observables
    }


def _losses(
    found: Posteriors, observed: Observable, memory: int, mode: Mode, *, half: bool = False
) -> Tensor:
    return Evaluation(
        observed,
        found.shapes,
        found.points.constants,
        rows=len(found.points),
        memory=memory,
        half=half,
        alone=mode.alone,
        own=mode.own,
    ).losses(found.centres)

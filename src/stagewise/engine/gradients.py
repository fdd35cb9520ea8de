"""Gradients at w*: what is left of them in a component."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stagewise.engine.pieces import piece_length, pieces
from stagewise.engine.posteriors import Posteriors
from stagewise.engine.program import Program


def gradient_norms(found: Posteriors, memory: int, *, own: bool = False) -> Tensor:
    """|dL/dv| at w* over the coordinates v of each component, (checkpoint, component).

    Of the mean loss on the data of reported losses, nats per unit of weight. It vanishes where w*
    is a critical point of that loss; of data that the model was not trained on it does not, and
    then lambda-hat has a drift (`theory.refined_llc`). `memory` bounds the bytes that the
    operations of one piece of the data write; with `own` they are our own kernels.
    """
    norms = torch.empty_like(found.curvature)
    for at in range(len(found.points)):
        gradient = _gradient(found, at, memory, own)
        norms[at] = (found.mask[at] * gradient).norm(dim=1)
    return norms


def _gradient(found: Posteriors, at: int, memory: int, own: bool) -> Tensor:
    """(1, d) at one checkpoint."""
    testbed, centre = found.testbed, found.centres[at : at + 1]
    constants = {name: t[at : at + 1] for name, t in found.points.constants.items()}
    program = Program(testbed.whole_losses, found.shapes, constants, rows=1, own=own)
    data = testbed.reported
    if not testbed.divisible:
        return program.loss_and_gradient(centre, data)[1]

    def of_piece(piece: Mapping[str, Tensor]) -> Tensor:
        return program.loss_and_gradient(centre, piece)[1]

    length = piece_length(of_piece, data, memory)
    return torch.stack([share * of_piece(piece) for share, piece in pieces(data, length)]).sum(0)

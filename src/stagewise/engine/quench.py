"""Quench: the critical point that gradient descent takes a draw to, which tells its phase."""

import torch
from torch import Tensor

from stagewise.engine.flat import Shapes
from stagewise.engine.program import Program
from stagewise.engine.single import Losses

ROWS = 2000
"""Draws that descend together: enough to fill the operations, few enough to stay in cache."""


def quench(
    losses: Losses, shapes: Shapes, position: Tensor, *, rate: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Positions and losses after plain gradient descent, w <- w - rate grad L(w).

    losses    of one model, without constants or data: (parameters, {}, {}) -> (1,)
    position  (row, d), concatenation of the tensors of `shapes`
    returns   (row, d) and (row,)
    """
    parts = []
    for part in position.split(ROWS):
        program = Program(losses, shapes, {}, rows=len(part))
        for _ in range(steps):
            part = part - rate * program.loss_and_gradient(part, {})[1]
        parts.append((part, program.loss(part, {})))
    return torch.cat([point for point, _ in parts]), torch.cat([loss for _, loss in parts])

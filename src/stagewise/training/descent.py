"""Gradient descent on all data from where training was left to an exact value of the loss."""

import logging
from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from stagewise.engine.program import Program
from stagewise.testbeds.testbed import Testbed
from stagewise.training.training import Training

log = logging.getLogger("stagewise")

HALVINGS = 20
"""Of the last step: the loss is then within a millionth of that step's fall of its target."""


def descended(
    testbed: Testbed,
    training: Training,
    index: pd.DataFrame,
    position: Tensor,
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[pd.DataFrame, Tensor]:
    """The checkpoints, those of kind `target` after descent to their target.

    position  (checkpoint, d). Checkpoints that do not reach their target are left out.
    """
    chosen = torch.from_numpy((index["kind"] == "target").to_numpy().copy())
    if training.descend_from == 1 or not chosen.any():
        return index, position
    program = Program(testbed.losses, shapes, {}, rows=1)
    targets = torch.tensor(index["target"].to_numpy(), dtype=position.dtype)[chosen]
    low, loss, taken = descend(
        program,
        position[chosen],
        testbed.data,
        targets,
        rate=training.descent_rate,
        steps=training.descent_steps,
    )
    position, index = position.clone(), index.copy()
    position[chosen] = low
    index.loc[chosen.numpy(), "loss"] = loss.double().numpy()
    index.loc[chosen.numpy(), "descended"] = taken.numpy()
    met = torch.ones(len(index), dtype=torch.bool)
    met[chosen] = taken > 0
    for row in (~met).nonzero()[:, 0].tolist():
        log.info(
            "configuration %d, model %d does not descend to the loss %g",
            *index.loc[row, ["configuration", "model", "target"]],
        )
    return index[met.numpy()].reset_index(drop=True), position[met]


def descend(
    program: Program,
    position: Tensor,
    data: Mapping[str, Tensor],
    targets: Tensor,
    *,
    rate: float,
    steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where w <- w - rate grad L(w) meets each row's target, the last step cut by bisection.

    position  (row, d)
    targets   (row,) nats
    returns   position (row, d), loss (row,) and steps taken (row,), 0 where `steps` were not
              enough
    """
    final, final_loss = position.clone(), torch.full_like(targets, torch.nan)
    taken = torch.zeros(len(targets), dtype=torch.int64)
    active = torch.arange(len(targets))
    here, before = position, position
    for step in range(1, steps + 2):
        loss, gradient = program.loss_and_gradient(here, data)
        met = loss <= targets[active]
        if met.any():
            rows = active[met]
            final[rows], final_loss[rows] = _cut(
                program, before[met], here[met], data, targets[rows]
            )
            # A row that starts below its target has taken no step: it counts as one.
            taken[rows] = max(1, step - 1)
            active, here, gradient = active[~met], here[~met], gradient[~met]
        if len(active) == 0:
            break
        before, here = here, here - rate * gradient
    return final, final_loss, taken


def _cut(
    program: Program, above: Tensor, below: Tensor, data: Mapping[str, Tensor], targets: Tensor
) -> tuple[Tensor, Tensor]:
    """The point of each segment (row, d) where the loss is the target, and its loss."""
    low, high = torch.zeros_like(targets), torch.ones_like(targets)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = program.loss(torch.lerp(above, below, middle[:, None]), data) > targets
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    found = torch.lerp(above, below, high[:, None])
    return found, program.loss(found, data)

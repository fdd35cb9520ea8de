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
    """The checkpoints, and beside each of kind `passage` the one of kind `target` it descends to.

    position  (checkpoint, d). A checkpoint from which the target is not reached stays alone.
    """
    start = (index["kind"] == "passage").to_numpy()
    if not start.any():
        return index, position
    chosen = torch.from_numpy(start.copy())
    below, loss, taken = descend(
        Program(testbed.losses, shapes, {}, rows=1),
        position[chosen],
        testbed.data,
        torch.tensor(index["target"].to_numpy(), dtype=position.dtype)[chosen],
        rate=training.descent_rate,
        steps=training.descent_steps,
    )
    reached = index[start].assign(
        kind="target", loss=loss.double().numpy(), descended=taken.numpy()
    )
    for row in reached[reached["descended"] == 0].itertuples():
        log.info(
            "configuration %d, model %d: no descent to %g", row.configuration, row.model, row.target
        )
    met = taken > 0
    joined = pd.concat([index, reached[met.numpy()]], ignore_index=True)
    return joined, torch.cat([position, below[met]])


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

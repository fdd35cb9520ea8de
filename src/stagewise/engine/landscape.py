"""The loss around every checkpoint as a table: value, gradient, second derivatives."""

import pandas as pd
import torch

from stagewise.engine.curvature import hessian_trace, largest_curvature
from stagewise.engine.flat import flatten
from stagewise.engine.program import Program
from stagewise.seeds import generator
from stagewise.testbeds.testbed import Points, Testbed


def curvature_table(
    testbed: Testbed, points: Points, *, seed: int, probes: int, iterations: int
) -> pd.DataFrame:
    """One row per checkpoint: the index columns, and of the mean loss there, on the data of
    reported losses

    full_loss       nats per sample
    gradient_norm   |grad L|
    trace           Hessian trace, from `probes` sign vectors, with its trace_error
    top_eigenvalue  largest absolute Hessian eigenvalue, after `iterations` of power iteration
    """
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in points.parameters.items()}
    position = flatten(points.parameters, shapes)
    exists = {
        name: points.masks.get(name, torch.ones_like(tensor, dtype=torch.bool))
        for name, tensor in points.parameters.items()
    }
    mask = flatten(exists, shapes).to(position.dtype)
    program = Program(testbed.losses, shapes, points.constants, rows=len(points))
    loss, gradient = program.loss_and_gradient(position, testbed.reported)
    trace, error = hessian_trace(
        program, position, testbed.reported, mask, stream=generator(seed, "trace"), probes=probes
    )
    top = largest_curvature(
        program,
        position,
        testbed.reported,
        mask,
        stream=generator(seed, "top eigenvalue"),
        iterations=iterations,
    )
    return points.index.assign(
        full_loss=loss.numpy(),
        gradient_norm=(gradient * mask).norm(dim=1).numpy(),
        trace=trace.numpy(),
        trace_error=error.numpy(),
        top_eigenvalue=top.numpy(),
    )

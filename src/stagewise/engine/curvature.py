"""Second derivatives of the loss at given points: largest Hessian eigenvalue and trace."""

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from stagewise.engine.program import Program


def largest_curvature(
    program: Program,
    position: Tensor,
    batch: Mapping[str, Tensor],
    mask: Tensor,
    *,
    stream: Generator,
    iterations: int = 60,
) -> Tensor:
    """Largest absolute Hessian eigenvalue of the mean loss at each position, by power iteration.

    position, mask  (row, d)
    returns         (row,) in nats per squared unit of weight, on unmasked coordinates
    """
    vector = torch.randn(position.shape, generator=stream, dtype=position.dtype) * mask
    value = position.new_zeros(len(position))
    for _ in range(iterations):
        vector = vector / vector.norm(dim=1, keepdim=True).clamp_min(1e-300)
        product = program.hessian_vector(position, vector, batch) * mask
        value = product.norm(dim=1)
        vector = torch.where(value[:, None] > 0, product, vector)
    return value


def hessian_trace(
    program: Program,
    position: Tensor,
    batch: Mapping[str, Tensor],
    *,
    stream: Generator,
    probes: int,
) -> tuple[Tensor, Tensor]:
    """Hutchinson's estimate of the trace of the Hessian, and its standard error.  (row,), (row,)

    mean over `probes` random sign vectors v of v^T H v.
    """
    values = []
    for _ in range(probes):
        signs = torch.randint(0, 2, position.shape, generator=stream).to(position.dtype) * 2 - 1
        values.append((signs * program.hessian_vector(position, signs, batch)).sum(1))
    stacked = torch.stack(values)
    return stacked.mean(0), stacked.std(0) / probes**0.5

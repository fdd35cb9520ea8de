"""Second derivatives of the loss at given points: largest Hessian eigenvalue and trace."""

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from stagewise.engine.pieces import pieces
from stagewise.engine.program import Program


def largest_curvature(
    program: Program,
    position: Tensor,
    batch: Mapping[str, Tensor],
    mask: Tensor,
    *,
    stream: Generator,
    iterations: int = 60,
    length: int | None = None,
) -> Tensor:
    """Largest absolute Hessian eigenvalue of the mean loss at each position, by power iteration.

    All rows start from the same random direction, so that no row's value depends on the others.

    position, mask  (row, d)
    length          samples that are taken at once; by default all
    returns         (row,) in nats per squared unit of weight, on unmasked coordinates
    """
    start = torch.randn(position.shape[1], generator=stream, dtype=position.dtype)
    vector = start.to(position.device) * mask
    value = position.new_zeros(len(position))
    parts = pieces(batch, length) if length else [(1.0, batch)]
    for _ in range(iterations):
        vector = vector / vector.norm(dim=1, keepdim=True)
        slopes = [share * program.hessian_vector(position, vector, part) for share, part in parts]
        product = torch.stack(slopes).sum(0) * mask
        value = product.norm(dim=1)
        vector = torch.where(value[:, None] > 0, product, vector)
    return value


def hessian_trace(
    program: Program,
    position: Tensor,
    batch: Mapping[str, Tensor],
    mask: Tensor,
    *,
    stream: Generator,
    probes: int,
) -> tuple[Tensor, Tensor]:
    """Hutchinson's estimate of the trace of the Hessian, and its standard error.  (row,), (row,)

    mean over `probes` random sign vectors v of v^T H v, on coordinates where `mask` (row, d) is 1;
    the same vectors for every row: no row's value depends on the others, and differences between
    rows have less noise.
    """
    values = []
    for _ in range(probes):
        flips = torch.randint(0, 2, position.shape[1:], generator=stream)
        signs = (flips * 2 - 1).to(position) * mask
        values.append((signs * program.hessian_vector(position, signs, batch)).sum(1))
    stacked = torch.stack(values)
    return stacked.mean(0), stacked.std(0) / probes**0.5

"""Inputs of linear regressions, and the noise of their labels."""

import torch
from torch import Tensor

from stagewise.seeds import generator


def gaussian_inputs(samples: int, width: int, seed: int) -> Tensor:
    """Standard normal inputs (sample, width), float64; the same for the same seed."""
    return torch.randn(
        samples, width, generator=generator(seed, "linear inputs"), dtype=torch.float64
    )


def whitened(inputs: Tensor) -> Tensor:
    """The inputs (sample, width) under the triangular map that makes their second moments, not
    centred, exactly the identity; for more samples than inputs."""
    moments = inputs.T @ inputs / len(inputs)
    return torch.linalg.solve_triangular(
        torch.linalg.cholesky(moments), inputs.T, upper=False
    ).T.contiguous()


def noisy_labels(inputs: Tensor, width: int, deviation: float, seed: int) -> tuple[Tensor, Tensor]:
    """What independent noise of the labels of whitened inputs adds to the map, and leaves over.

    shift     (width, inputs): least squares finds the true map plus this
    residual  (sample, width): the noise less shift @ input; its mean product with the inputs is 0
    """
    noise = deviation * torch.randn(
        len(inputs), width, generator=generator(seed, "label noise"), dtype=inputs.dtype
    )
    shift = noise.T @ inputs / len(inputs)
    return shift, noise - inputs @ shift.T

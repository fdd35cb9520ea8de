"""Inputs of noise-free linear regressions."""

import torch
from torch import Tensor

from stagewise.seeds import generator


def gaussian_inputs(samples: int, width: int, seed: int) -> Tensor:
    """Standard normal inputs (sample, width), float64; the same for the same seed."""
    return torch.randn(
        samples, width, generator=generator(seed, "linear inputs"), dtype=torch.float64
    )

"""Data with one active feature: x = mu e_i, the extreme-sparsity limit of the toy model."""

import torch
from torch import Generator, Tensor


def one_hot_samples(
    samples: int, features: int, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Features i uniform on 0 .. features - 1 and sizes mu uniform on [0, 1).  (sample,) twice

    (Chen et al. 2023, 2310.06301.)
    """
    feature = torch.randint(features, (samples,), generator=generator)
    mu = torch.rand(samples, generator=generator, dtype=torch.float64)
    return feature, mu


def as_vectors(feature: Tensor, mu: Tensor, features: int) -> Tensor:
    """x = mu e_i as dense vectors.  (..., sample) twice -> (..., sample, features)"""
    x = mu.new_zeros(*mu.shape, features)
    return x.scatter_(-1, feature[..., None], mu[..., None])

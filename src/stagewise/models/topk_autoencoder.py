"""Sparse autoencoders that keep the k largest features (Gao et al. 2024, 2406.04093).

    z = TopK_k(relu(encode (x - centre) / size + threshold)),    x ~ centre + size (decode z)

with decoder columns of length 1, centre and size those of the data.
"""

from collections.abc import Mapping

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize


def fit(
    inputs: Tensor,
    *,
    features: int,
    active: int,
    steps: int,
    batch: int,
    rate: float,
    stream: Generator,
) -> dict[str, Tensor]:
    """Weights of an autoencoder of inputs (sample, width) after so many steps of Adam.

    Loss: mean squared distance to the reconstruction, in units of `size`. The rate falls linearly
    to 0 over the last fifth. Returns encode (feature, width), threshold (feature,), decode (width,
    feature), centre (width,) and size ().
    """
    if not 0 < active <= features:
        raise ValueError(f"active: must be from 1 to features = {features}, got {active}")
    centre = inputs.mean(0)
    size = (inputs - centre).square().sum(1).mean().sqrt()
    known = (inputs - centre) / size
    decode = normalize(torch.randn(inputs.shape[1], features, generator=stream), dim=0)
    weights = {
        "encode": decode.T.clone().requires_grad_(),
        "threshold": torch.zeros(features, requires_grad=True),
        "decode": decode.clone().requires_grad_(),
    }
    optimizer = torch.optim.Adam(weights.values(), lr=rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 5 * (1 - step / steps))
        x = known[torch.randint(len(known), (batch,), generator=stream)]
        kept = _kept(x @ weights["encode"].T + weights["threshold"], active)
        loss = (kept @ weights["decode"].T - x).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            weights["decode"] /= weights["decode"].norm(dim=0)
    found = {name: tensor.detach() for name, tensor in weights.items()}
    return {**found, "centre": centre, "size": size}


def activations(weights: Mapping[str, Tensor], inputs: Tensor, active: int) -> Tensor:
    """z (sample, feature) of inputs (sample, width), at most `active` of each not 0."""
    known = (inputs - weights["centre"]) / weights["size"]
    return _kept(known @ weights["encode"].T + weights["threshold"], active)


def explained(weights: Mapping[str, Tensor], inputs: Tensor, active: int) -> float:
    """Share of the variance of inputs (sample, width) that reconstructions have."""
    known = (inputs - weights["centre"]) / weights["size"]
    left = activations(weights, inputs, active) @ weights["decode"].T - known
    return 1 - float(left.square().sum() / known.square().sum())


def _kept(before: Tensor, active: int) -> Tensor:
    values, places = before.topk(active, dim=-1)
    return torch.zeros_like(before).scatter(-1, places, values.relu())

"""Multilayer perceptrons, as pure functions of their weights."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Generator, Tensor

Activation = Callable[[Tensor], Tensor]


def initial(widths: Sequence[int], *, stream: Generator) -> dict[str, Tensor]:
    """Fresh weights for layers of the given widths, input and output included.

    layer<k>.weight (out, in) and layer<k>.bias (out,), k = 1, 2, ...; each uniform on
    [-1/sqrt(in), 1/sqrt(in)], which is what torch.nn.Linear does.
    """
    weights = {}
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        bound = 1 / sqrt(before)
        for name, shape in (("weight", (after, before)), ("bias", (after,))):
            uniform = torch.rand(shape, generator=stream)
            weights[f"layer{number}.{name}"] = (2 * uniform - 1) * bound
    return weights


def layers(widths: Sequence[int]) -> dict[str, dict[str, Tensor]]:
    """layer<k> -> masks that select all weights of that layer and no others."""
    return {
        f"layer{number}": {
            f"layer{number}.weight": torch.ones(after, before, dtype=torch.bool),
            f"layer{number}.bias": torch.ones(after, dtype=torch.bool),
        }
        for number, (before, after) in enumerate(pairwise(widths), start=1)
    }


def logits(
    weights: Mapping[str, Tensor], inputs: Tensor, activation: Activation = torch.relu
) -> Tensor:
    """Outputs (sample, out) of inputs (sample, in): `activation` between the layers, none at the
    end."""
    return _forward(weights, inputs, activation)[-1]


def layer_inputs(
    weights: Mapping[str, Tensor], inputs: Tensor, activation: Activation = torch.relu
) -> list[Tensor]:
    """What each layer is given, (sample, in), from the first to the last."""
    return _forward(weights, inputs, activation)[:-1]


def _forward(weights: Mapping[str, Tensor], inputs: Tensor, activation: Activation) -> list[Tensor]:
    depth = len(weights) // 2
    values = [inputs]
    for number in range(1, depth + 1):
        weight, bias = weights[f"layer{number}.weight"], weights[f"layer{number}.bias"]
        found = torch.addmm(bias, values[-1], weight.T)
        values.append(activation(found) if number < depth else found)
    return values


def cross_entropies(
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    labels: Tensor,
    activation: Activation = torch.relu,
) -> Tensor:
    """Cross-entropy of each sample (sample,), in nats; labels (sample,) are class numbers."""
    found = logits(weights, inputs, activation)
    return torch.logsumexp(found, -1) - found.gather(-1, labels[:, None])[:, 0]


def accuracy(
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    labels: Tensor,
    activation: Activation = torch.relu,
) -> Tensor:
    """Share of samples whose largest output is that of their label."""
    return (logits(weights, inputs, activation).argmax(-1) == labels).double().mean()


def norm(weights: Mapping[str, Tensor]) -> Tensor:
    """Euclidean norm of all weights and biases together."""
    return torch.stack([tensor.square().sum() for tensor in weights.values()]).sum().sqrt()


def penultimate(
    weights: Mapping[str, Tensor], inputs: Tensor, activation: Activation = torch.relu
) -> Tensor:
    """What enters the last layer, (sample, width), of inputs (sample, in)."""
    depth = len(weights) // 2
    below = {name: weights[name] for name in weights if not name.startswith(f"layer{depth}.")}
    return activation(logits(below, inputs, activation)) if below else inputs

"""A multilayer perceptron as torch's own layers, as libraries of data attribution want models."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor


def perceptron_module(
    weights: Mapping[str, Tensor], activation: type[torch.nn.Module]
) -> torch.nn.Sequential:
    """Linear layers with the activation in between.

    weights   layer<k>.weight and layer<k>.bias, from k = 1 on
    """
    depth = len(weights) // 2
    widths = [weights["layer1.weight"].shape[1]]
    widths += [weights[f"layer{number}.weight"].shape[0] for number in range(1, depth + 1)]
    layers: list[torch.nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        layer = torch.nn.Linear(before, after)
        layer.load_state_dict({k: weights[f"layer{number}.{k}"] for k in ("weight", "bias")})
        layers += [layer] if number == depth else [layer, activation()]
    return torch.nn.Sequential(*layers)

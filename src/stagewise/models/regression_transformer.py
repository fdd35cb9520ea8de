"""Transformers that learn linear regression in context, as pure functions of their weights.

The language of Garg et al. 2022 in the model of Hoogland et al. 2024 (2402.02364): examples (x, y)
are pairs of tokens, (0, x) and (y, 0), and the prediction of y is component 0 of the output at
the token of its x. Positions are learned and added to the stream.
"""

from collections.abc import Mapping
from math import sqrt

import torch
from torch import Generator, Tensor
from torch.nn.functional import layer_norm, pad

HEAD = ("query", "key", "value", "out")
"""Tensors of a layer whose first axis is the head."""
MLP = ("mlp.in", "mlp.in_bias", "mlp.out", "mlp.out_bias")
"""Tensors of the perceptron of a layer."""


def initial(
    *,
    dimension: int,
    examples: int,
    width: int,
    heads: int,
    layers: int,
    hidden: int,
    stream: Generator,
    unembedding: float = 1.0,
) -> dict[str, Tensor]:
    """Fresh weights: embed (dimension + 1, width), positions (2 examples, width), for each layer
    k = 0, 1, ... layer<k>.norm.scale and .shift (width,), layer<k>.query, .key, .value (heads,
    width, width / heads), .out (heads, width / heads, width), .mlp.norm.scale and .shift, .mlp.in
    (width, hidden), .in_bias, .mlp.out (hidden, width) and .out_bias, then norm.scale, norm.shift,
    unembed (width, dimension + 1) and unembed_bias.

    Matrices are normal with variance one over their inputs, of which the positions have one for
    each place; what a layer adds to the stream (its two `out`) is divided by the root of the number
    of such terms. The unembedding is multiplied by `unembedding`, so that a fresh model's mean
    squared prediction is about the square of that. Norms are the identity and biases zero.
    """
    if width % heads:
        raise ValueError(f"heads: {heads} do not divide the width {width}")
    size, terms = width // heads, 2 * layers

    def normal(*shape: int, inputs: int) -> Tensor:
        return torch.randn(shape, generator=stream) / sqrt(inputs)

    def norm(name: str) -> dict[str, Tensor]:
        return {f"{name}.scale": torch.ones(width), f"{name}.shift": torch.zeros(width)}

    weights = {
        "embed": normal(dimension + 1, width, inputs=dimension + 1),
        "positions": normal(2 * examples, width, inputs=2 * examples),
    }
    for name in (f"layer{layer}" for layer in range(layers)):
        weights |= norm(f"{name}.norm")
        for part in ("query", "key", "value"):
            weights[f"{name}.{part}"] = normal(heads, width, size, inputs=width)
        weights[f"{name}.out"] = normal(heads, size, width, inputs=width * terms)
        weights |= norm(f"{name}.mlp.norm")
        weights[f"{name}.mlp.in"] = normal(width, hidden, inputs=width)
        weights[f"{name}.mlp.in_bias"] = torch.zeros(hidden)
        weights[f"{name}.mlp.out"] = normal(hidden, width, inputs=hidden * terms)
        weights[f"{name}.mlp.out_bias"] = torch.zeros(width)
    weights |= norm("norm")
    weights["unembed"] = unembedding * normal(width, dimension + 1, inputs=width)
    weights["unembed_bias"] = torch.zeros(dimension + 1)
    return weights


def tokens(x: Tensor, y: Tensor) -> Tensor:
    """(0, x_1), (y_1, 0), (0, x_2), ... as (sample, 2 example, dimension + 1)."""
    pairs = torch.stack([pad(x, (1, 0)), pad(y[..., None], (0, x.shape[-1]))], dim=2)
    return pairs.flatten(1, 2)


def predictions(weights: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Of each y from its x and the examples before it, (sample, example).

    x  (sample, example, dimension), of no more examples than there are positions for
    y  (sample, example)

    Each layer adds causal attention of the layer-normed stream, then a perceptron of the again
    layer-normed stream, to the stream. The last y is a token that nothing sees, and the last layer
    is needed at the tokens of the x only: neither is computed.
    """
    seen = tokens(x, y)[:, :-1]
    stream = seen @ weights["embed"] + weights["positions"][: seen.shape[1]]
    last = depth(weights) - 1
    for layer in range(last + 1):
        stream = _layer(weights, f"layer{layer}", stream, every=2 if layer == last else 1)
    read = _normalised(weights, "norm", stream)
    return read @ weights["unembed"][:, 0] + weights["unembed_bias"][0]


def squared_errors(weights: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    """(prediction - y)^2 of every example, (sample, example)."""
    return (predictions(weights, x, y) - y).square()


def depth(weights: Mapping[str, Tensor]) -> int:
    """Number of layers."""
    return sum(name.endswith(".query") for name in weights)


def norms(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the layer norms, in the order in which the stream meets them."""
    return [name.removesuffix(".scale") for name in weights if name.endswith("norm.scale")]


def masks(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The weights of every layer with its norms, "layer<k>", of every head, "<layer>:<head>", and
    of every perceptron, "mlp<k>"."""
    found: dict[str, dict[str, Tensor]] = {}
    for layer in range(depth(weights)):
        whole = {
            name: torch.ones_like(tensor, dtype=torch.bool)
            for name, tensor in weights.items()
            if name.startswith(f"layer{layer}.")
        }
        found[f"layer{layer}"] = whole
        for head in range(len(weights[f"layer{layer}.query"])):
            of_head = {}
            for name in (f"layer{layer}.{part}" for part in HEAD):
                of_head[name] = torch.zeros_like(whole[name])
                of_head[name][head] = True
            found[f"{layer}:{head}"] = of_head
        found[f"mlp{layer}"] = {
            f"layer{layer}.{part}": whole[f"layer{layer}.{part}"] for part in MLP
        }
    return found


def _layer(weights: Mapping[str, Tensor], name: str, stream: Tensor, every: int) -> Tensor:
    """The stream after a layer, at places 0, every, 2 every, ..."""
    seen = _normalised(weights, f"{name}.norm", stream)
    query, key, value = _projected(weights, name, seen)
    length = stream.shape[1]
    future = stream.new_full((length, length), -torch.inf).tril(-1)
    # Softmax over the rows of (from, to): four times as fast as over the last, short dimension.
    pattern = (key @ query.mT + future)[..., ::every].softmax(-2)
    mixed = (pattern.mT @ value).transpose(1, 2).flatten(2)
    stream = stream[:, ::every] + mixed @ weights[f"{name}.out"].flatten(0, 1)
    seen = _normalised(weights, f"{name}.mlp.norm", stream)
    hidden = torch.relu(seen @ weights[f"{name}.mlp.in"] + weights[f"{name}.mlp.in_bias"])
    return stream + (hidden @ weights[f"{name}.mlp.out"] + weights[f"{name}.mlp.out_bias"])


def _projected(
    weights: Mapping[str, Tensor], name: str, seen: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, divided by the root of their size, keys and values (sample, head, place, size)."""
    query, key, value = (weights[f"{name}.{part}"] for part in HEAD[:3])
    heads, width, size = query.shape
    # One product for all three: at these sizes a step is mostly the calling of operations.
    joint = torch.cat([query / sqrt(size), key, value]).transpose(0, 1).reshape(width, -1)
    found = (seen @ joint).unflatten(-1, (3, heads, size)).permute(2, 0, 3, 1, 4)
    query, key, value = found.unbind(0)
    return query, key, value


def _normalised(weights: Mapping[str, Tensor], name: str, stream: Tensor) -> Tensor:
    scale, shift = weights[f"{name}.scale"], weights[f"{name}.shift"]
    return layer_norm(stream, scale.shape, scale, shift)

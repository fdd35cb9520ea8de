"""Attention-only transformers with shortformer positions, as pure functions of their weights.

Positions are added to what queries and keys are made of, and to nothing else: with them at zero
the model has no way to tell one place from another, and nothing else changes (Press et al. 2021,
the language model of Hoogland et al. 2024, 2402.02364).
"""

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import embedding, layer_norm, scaled_dot_product_attention

HEAD = ("query", "key", "value", "out")
"""Tensors of a layer whose first axis is the head."""


def initial(
    *,
    vocabulary: int,
    context: int,
    width: int,
    heads: int,
    layers: int,
    stream: Generator,
    sinusoids: bool = False,
    later_out: float = 1.0,
) -> dict[str, Tensor]:
    """Fresh weights: embed (vocabulary, width), positions (context, width), for each layer k = 0,
    1, ... layer<k>.norm.scale and .shift (width,), layer<k>.query, .key, .value (heads, width,
    width / heads) and .out (heads, width / heads, width), then norm.scale, norm.shift and unembed
    (width, vocabulary).

    Positions are normal or, with `sinusoids`, sines and cosines of frequencies 1 to 1/30, both of
    root mean square 1. The `out` of all layers but the first is multiplied by `later_out`.
    """
    if width % heads:
        raise ValueError(f"heads: {heads} do not divide the width {width}")
    size = width // heads

    def normal(*shape: int, scale: float) -> Tensor:
        return scale * torch.randn(shape, generator=stream)

    def norm(name: str) -> dict[str, Tensor]:
        return {f"{name}.scale": torch.ones(width), f"{name}.shift": torch.zeros(width)}

    weights = {"embed": normal(vocabulary, width, scale=1.0)}
    weights["positions"] = (
        _sinusoids(context, width) if sinusoids else normal(context, width, scale=1.0)
    )
    for layer in range(layers):
        weights |= norm(f"layer{layer}.norm")
        for name in ("query", "key", "value"):
            weights[f"layer{layer}.{name}"] = normal(heads, width, size, scale=1 / sqrt(width))
        scale = (later_out if layer else 1.0) / sqrt(width)
        weights[f"layer{layer}.out"] = normal(heads, size, width, scale=scale)
    weights |= norm("norm")
    weights["unembed"] = normal(width, vocabulary, scale=0.02)
    return weights


def _sinusoids(context: int, width: int) -> Tensor:
    frequencies = torch.logspace(0, -torch.tensor(30.0).log10().item(), width // 2)
    angles = torch.arange(context)[:, None] * frequencies
    return sqrt(2) * torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(context, width)


class Forward(NamedTuple):
    """What a model computes on some tokens."""

    logits: Tensor
    """(sample, place, vocabulary)"""
    patterns: list[Tensor]
    """Attention of each layer (sample, head, to place, from place)."""
    mixed: list[Tensor]
    """Values that the heads of each layer have gathered (sample, head, place, size): times `out`
    they are what a head adds to the stream."""


Ablation = Mapping[tuple[int, int], Tensor]
"""(layer, head) -> what it has gathered instead, (size,) everywhere."""


def forward(weights: Mapping[str, Tensor], tokens: Tensor) -> Forward:
    """The model on tokens (sample, place), with what its heads look at and gather.

    Each layer adds causal attention of the layer-normed stream to the stream; no multilayer
    perceptrons, no biases but those of the layer norms.
    """
    length = tokens.shape[-1]
    stream = _embedded(weights, tokens)
    patterns, gathered = [], []
    for layer in range(depth(weights)):
        query, key, value = _projected(weights, layer, stream)
        patterns.append(_attention(query, key, length))
        gathered.append(patterns[-1] @ value)
        stream = stream + _joined(gathered[-1], weights[f"layer{layer}.out"])
    return Forward(_read(weights, stream), patterns, gathered)


def logits(
    weights: Mapping[str, Tensor], tokens: Tensor, ablated: Ablation | None = None
) -> Tensor:
    """Next-token scores (sample, place, vocabulary) of tokens (sample, place), with what some heads
    gather replaced.

    Without that those of `forward`, sooner: attention weights are not kept.
    """
    return _onwards(weights, _embedded(weights, tokens), 0, ablated)


def one_by_one(
    weights: Mapping[str, Tensor], tokens: Tensor, ablated: Ablation
) -> Iterator[tuple[tuple[int, int], Tensor]]:
    """(layer, head) and the `logits` with what that head alone gathers replaced, of each in the
    order of layers. What stands before a head is computed once."""
    stream = _embedded(weights, tokens)
    for layer in range(depth(weights)):
        out = weights[f"layer{layer}.out"]
        mixed = scaled_dot_product_attention(*_projected(weights, layer, stream), is_causal=True)
        for (at, head), instead in ablated.items():
            if at == layer:
                changed = mixed.clone()
                changed[:, head] = instead
                yield (at, head), _onwards(weights, stream + _joined(changed, out), layer + 1)
        stream = stream + _joined(mixed, out)


def streams(weights: Mapping[str, Tensor], tokens: Tensor) -> list[Tensor]:
    """The stream (sample, place, width) before the first layer and after each."""
    found = [_embedded(weights, tokens)]
    for layer, mixed in enumerate(forward(weights, tokens).mixed):
        found.append(found[-1] + _joined(mixed, weights[f"layer{layer}.out"]))
    return found


def next_token_losses(weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Cross-entropy of every next token (sample, place - 1), in nats."""
    return cross_entropies(logits(weights, tokens[:, :-1]), tokens[:, 1:])


def cross_entropies(scores: Tensor, wanted: Tensor) -> Tensor:
    """Of scores (..., vocabulary) against tokens (...), in nats."""
    return torch.logsumexp(scores, -1) - scores.gather(-1, wanted[..., None])[..., 0]


def depth(weights: Mapping[str, Tensor]) -> int:
    """Number of layers."""
    return sum(name.endswith(".query") for name in weights)


def head_masks(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The weights of every head, "<layer>:<head>", and of all heads of each layer, "layer<k>"."""
    found: dict[str, dict[str, Tensor]] = {}
    for layer in range(depth(weights)):
        tensors = {f"layer{layer}.{name}": weights[f"layer{layer}.{name}"] for name in HEAD}
        found[f"layer{layer}"] = {
            name: torch.ones_like(tensor, dtype=torch.bool) for name, tensor in tensors.items()
        }
        for head in range(len(tensors[f"layer{layer}.query"])):
            of_head = {}
            for name, tensor in tensors.items():
                of_head[name] = torch.zeros_like(tensor, dtype=torch.bool)
                of_head[name][head] = True
            found[f"{layer}:{head}"] = of_head
    return found


def pair_masks(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The weights of a head and of one of the next layer together, "<head>+<head>"."""
    heads = {name: mask for name, mask in head_masks(weights).items() if ":" in name}
    return {
        f"{first}+{second}": {**heads[first], **heads[second]}
        for first in heads
        for second in heads
        if int(second.split(":")[0]) == int(first.split(":")[0]) + 1
    }


def _embedded(weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """(sample, place, width). Not by indexing: its gradient several threads sum in any order."""
    return embedding(tokens, weights["embed"])


def _projected(
    weights: Mapping[str, Tensor], layer: int, stream: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (sample, head, place, size)."""
    length, known = stream.shape[1], len(weights["positions"])
    if length > known:
        raise ValueError(f"tokens: {length} places, but the model has positions for {known}")
    seen = _normalised(weights, f"layer{layer}.norm", stream)
    placed = seen + weights["positions"][: stream.shape[1]]
    query = _split(placed, weights[f"layer{layer}.query"])
    key = _split(placed, weights[f"layer{layer}.key"])
    value = _split(seen, weights[f"layer{layer}.value"])
    return query, key, value


def _split(stream: Tensor, weight: Tensor) -> Tensor:
    """(sample, place, width) times (head, width, size): (sample, head, place, size).

    As one product of two matrices, like its counterpart.
    """
    both = stream @ weight.transpose(0, 1).flatten(1)
    return both.unflatten(-1, (len(weight), -1)).transpose(1, 2)


def _joined(mixed: Tensor, weight: Tensor) -> Tensor:
    """(sample, head, place, size) times (head, size, width), summed: (sample, place, width)."""
    return mixed.transpose(1, 2).flatten(2) @ weight.flatten(0, 1)


def _attention(query: Tensor, key: Tensor, length: int) -> Tensor:
    """Causal attention weights (sample, head, place, place)."""
    scores = query @ key.mT / sqrt(query.shape[-1])
    future = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(-1)


def _onwards(
    weights: Mapping[str, Tensor], stream: Tensor, first: int, ablated: Ablation | None = None
) -> Tensor:
    """Scores of the stream before that layer."""
    for layer in range(first, depth(weights)):
        mixed = scaled_dot_product_attention(*_projected(weights, layer, stream), is_causal=True)
        for (at, head), instead in (ablated or {}).items():
            if at == layer:
                mixed[:, head] = instead
        stream = stream + _joined(mixed, weights[f"layer{layer}.out"])
    return _read(weights, stream)


def _read(weights: Mapping[str, Tensor], stream: Tensor) -> Tensor:
    return _normalised(weights, "norm", stream) @ weights["unembed"]


def _normalised(weights: Mapping[str, Tensor], name: str, stream: Tensor) -> Tensor:
    scale, shift = weights[f"{name}.scale"], weights[f"{name}.shift"]
    return layer_norm(stream, scale.shape, scale, shift)

"""Attention-only transformers as pure functions of their weights."""

from collections.abc import Mapping
from math import sqrt

import torch
from torch import Generator, Tensor


def initial(
    *, vocabulary: int, context: int, width: int, heads: int, layers: int, stream: Generator
) -> dict[str, Tensor]:
    """Fresh weights: embed (vocabulary, width), place (context, width), for each layer
    layer<k>.scale (width,), layer<k>.qkv (3, heads, width, width / heads), layer<k>.out (heads,
    width / heads, width), then final.scale (width,) and unembed (width, vocabulary)."""
    if width % heads:
        raise ValueError(f"heads: {heads} do not divide the width {width}")
    size = width // heads

    def normal(*shape: int, fan: int) -> Tensor:
        return torch.randn(shape, generator=stream) / sqrt(fan)

    weights = {
        "embed": normal(vocabulary, width, fan=width),
        "place": normal(context, width, fan=width),
    }
    for layer in range(1, layers + 1):
        weights[f"layer{layer}.scale"] = torch.ones(width)
        weights[f"layer{layer}.qkv"] = normal(3, heads, width, size, fan=width)
        weights[f"layer{layer}.out"] = normal(heads, size, width, fan=width)
    weights["final.scale"] = torch.ones(width)
    weights["unembed"] = normal(width, vocabulary, fan=width)
    return weights


def logits(weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Next-token scores (sample, place, vocabulary) of tokens (sample, place).

    Each layer adds causal attention of the normalised stream (root mean square, with a learned
    scale) to the stream; no multilayer perceptrons, no biases.
    """
    length = tokens.shape[-1]
    stream = weights["embed"][tokens] + weights["place"][:length]
    layers = sum(name.endswith(".qkv") for name in weights)
    for layer in range(1, layers + 1):
        seen = _normalised(stream, weights[f"layer{layer}.scale"])
        query, key, value = torch.einsum(
            "spw,ahwd->ashpd", seen, weights[f"layer{layer}.qkv"]
        ).unbind(0)
        scores = query @ key.mT / sqrt(query.shape[-1])
        future = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        mixed = scores.masked_fill(future, -torch.inf).softmax(-1) @ value
        stream = stream + torch.einsum("shpd,hdw->spw", mixed, weights[f"layer{layer}.out"])
    return _normalised(stream, weights["final.scale"]) @ weights["unembed"]


def next_token_losses(weights: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Cross-entropy of every next token (sample, place - 1), in nats."""
    scores = logits(weights, tokens[:, :-1])
    wanted = tokens[:, 1:, None]
    return torch.logsumexp(scores, -1) - scores.gather(-1, wanted)[..., 0]


def _normalised(stream: Tensor, scale: Tensor) -> Tensor:
    return stream * scale * (stream.square().mean(-1, keepdim=True) + 1e-6).rsqrt()

"""Curvature of a language model from tokens that it draws itself."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from stagewise.engine.sample_gradients import sample_gradients
from stagewise.models.attention_only import cross_entropies


def gauss_newton_roots(
    scores: Callable[[Mapping[str, Tensor], Tensor], Tensor],
    weights: Mapping[str, Tensor],
    seen: Tensor,
    *,
    draws: int,
    stream: torch.Generator,
) -> Tensor:
    """R (draws * sample, d) whose R^T R is, in expectation, the Gauss-Newton matrix of the mean
    cross-entropy of all tokens (the Fisher information, over tokens as the model draws them).

    With g the gradient of a sequence's mean loss on drawn tokens, independent of one another at
    given context, E[g g^T] is the matrix of that sequence over its length; hence
    R = g sqrt(length / (draws * samples)).

    scores   (weights, seen) -> logits (sample, place, vocabulary)
    seen     tokens (sample, place) that the model reads
    """
    samples, length = seen.shape
    with torch.no_grad():
        shares = torch.softmax(scores(weights, seen), -1)

    def losses(w: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        return cross_entropies(scores(w, batch["seen"]), batch["next"]).mean(-1)

    rows = []
    for _ in range(draws):
        drawn = torch.multinomial(shares.flatten(0, 1), 1, generator=stream)
        batch = {"seen": seen, "next": drawn.reshape(samples, length)}
        found = sample_gradients(losses, weights, batch)
        rows.append(torch.cat([tensor.flatten(1) for tensor in found.values()], 1))
    return torch.cat(rows) * (length / (draws * samples)) ** 0.5

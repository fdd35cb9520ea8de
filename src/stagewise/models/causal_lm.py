"""Causal language models given as torch modules, as pure functions of their weights."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import Module

from stagewise.models.attention_only import cross_entropies

AT_ONCE = 2**22
"""Scores (sample x place x vocabulary) that are made at once where no gradient is asked for."""


def weights(module: Module) -> dict[str, Tensor]:
    """Its parameters by name; those that are tied once, under the first of their names."""
    return {name: tensor.detach() for name, tensor in module.named_parameters()}


def next_token_scores(module: Any) -> Callable[[Mapping[str, Tensor], Tensor], Tensor]:
    """(weights, tokens (sample, place)) -> logits (sample, place, vocabulary).

    The module's own forward, with these weights in the place of its parameters and no cache.
    """

    @cache
    def buffers(device: torch.device) -> dict[str, Tensor]:
        return {name: tensor.to(device) for name, tensor in module.named_buffers()}

    def scores(w: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
        given = {**buffers(tokens.device), **w}
        # a mask of ones says what none would: without one, transformers looks for texts packed
        # into one sequence, a decision that hangs on values and cannot be compiled
        further = {"attention_mask": torch.ones_like(tokens), "use_cache": False}
        logits: Tensor = functional_call(module, given, (tokens,), further).logits.float()
        return logits

    return scores


def next_token_losses(module: Any) -> Callable[[Mapping[str, Tensor], Tensor], Tensor]:
    """(weights, tokens (sample, place)) -> cross-entropies (sample, place - 1), in nats.

    Without gradients samples are taken a few at a time, since scores of a large vocabulary are most
    of what has to be kept.
    """
    scores = next_token_scores(module)

    def of(w: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
        return cross_entropies(scores(w, tokens[:, :-1]), tokens[:, 1:])

    vocabulary = module.get_output_embeddings().weight.shape[0]

    def losses(w: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return of(w, tokens)
        samples = max(1, AT_ONCE // (tokens.shape[1] * vocabulary))
        return torch.cat([of(w, piece) for piece in tokens.split(samples)])

    return losses


def check_mapped(module: Module) -> None:
    """Raises ValueError where the module's forward cannot be run on several models at once.

    Chains are one batched program (`torch.func.vmap`), which a backward pass of its own or a
    decision that hangs on a value does not allow.
    """
    losses = next_token_losses(module)
    pair = {name: tensor.expand(2, *tensor.shape) for name, tensor in weights(module).items()}
    try:
        with torch.no_grad():
            vmap(losses, in_dims=(0, None))(pair, torch.zeros(1, 3, dtype=torch.int64))
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise ValueError(
            f"{type(module).__name__} cannot be run as several chains at once, because of "
            f"how it is written in transformers ({type(error).__name__}: {reason})"
        ) from error

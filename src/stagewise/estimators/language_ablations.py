"""What a transformer loses of the synthetic language without one of its heads."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.data.synthetic_language import Text
from stagewise.estimators.language_scores import Held, Weights, heads, token_losses
from stagewise.models.attention_only import cross_entropies, forward, one_by_one

LOST = 0.1
"""Probability that a stored rule's outcome loses when a head is ablated that stores it."""
ABLATED = ("markov", "repeated", "triggered", "closing")
"""Classes of tokens on which ablations are judged."""


def ablations(weights: Weights, mixture: Text, alone: Mapping[str, Text]) -> dict[str, float]:
    """Scores of heads as "<score> <layer>:<head>".

    ablation_<class>  rise of the loss, in nats, of tokens of that class on their source alone where
                      a head gathers its mean over the mixture instead of what it does
    stored            rules whose outcome is by LOST less likely then
    """
    held, apart = Held(mixture), {name: Held(text) for name, text in alone.items()}
    gathered = [mixed.mean((0, 2)) for mixed in forward(weights, held.tokens[:, :-1]).mixed]
    means = {(layer, head): gathered[layer][head] for layer, head in heads(weights)}
    found: dict[str, float] = {}
    for source, one in apart.items():
        classes = [name for name in ABLATED if one.of(name).any()]
        before = token_losses(weights, one)
        uses = _uses(one)
        for (layer, head), scored in one_by_one(weights, one.tokens[:, :-1], means):
            after = cross_entropies(scored, one.tokens[:, 1:])
            for name in classes:
                rise = (after - before)[one.of(name)].mean()
                found[f"ablation_{name} {layer}:{head}"] = float(rise)
            if source == "rules":
                found[f"stored {layer}:{head}"] = _stored(one, uses, before, after)
    return found


def _stored(rules: Held, uses: NDArray[np.int64], before: Tensor, after: Tensor) -> float:
    """Number of rules whose outcome loses LOST of its probability, on average over its uses."""
    drop = (before.neg().exp() - after.neg().exp())[rules.of("triggered")].double().numpy()
    means = np.bincount(uses, weights=drop) / np.bincount(uses)
    return float((means >= LOST).sum())


def _uses(rules: Held) -> NDArray[np.int64]:
    """(use,) which rule, by number, each triggered token is foretold by: by the latest key, and the
    token before."""
    of = rules.of("triggered")
    pairs = torch.stack([_latest_keys(rules)[of], rules.tokens[:, :-1][of]]).numpy()
    return np.unique(pairs, axis=1, return_inverse=True)[1].ravel()


def _latest_keys(rules: Held) -> Tensor:
    """(sequence, length) the latest key at or before the token that each target follows."""
    inputs, is_key = rules.tokens[:, :-1], torch.zeros_like(rules.tokens[:, :-1], dtype=torch.bool)
    is_key[:, 1:] = rules.of("key")[:, :-1]
    places = torch.where(is_key, torch.arange(inputs.shape[1]), 0).cummax(1).values
    return inputs.gather(1, places)

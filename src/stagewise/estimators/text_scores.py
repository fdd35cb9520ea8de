"""What a transformer has learned of a corpus and of repeated random blocks, and by which heads."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.data.tokens import BEGINNING, Tokens
from stagewise.data.windows import Blocks
from stagewise.estimators.attention_scores import current_token, prefix, previous_token
from stagewise.estimators.clustered_mean import clustered_mean
from stagewise.estimators.ngrams import commonest, likely, pair_counts, seen_before
from stagewise.models.attention_only import cross_entropies, depth, forward, logits

Array = NDArray[Any]
Weights = Mapping[str, Tensor]

COMMON = 1000
"""N-grams that count as common."""
LIKELY = 3
"""Continuations of a token that need no context."""
ATTENDED = 64
"""Sequences on which it is measured where heads look."""
AT_ONCE = 32
"""Sequences that a model reads at once."""


@dataclass(frozen=True)
class Held:
    """What models are tried on."""

    tokens: Tokens
    text: Array
    """Windows (sequence, 1 + length) of the held-out text of all domains,"""
    alone: Mapping[str, Array]
    """and of each domain."""
    blocks: Blocks
    block_share: float
    """Of the sequences that models are trained on."""

    @cached_property
    def pairs(self) -> Array:
        """Counts (token, next) in the training text."""
        return pair_counts(self.tokens.train.values(), self.tokens.vocabulary)

    @cached_property
    def first_pairs(self) -> Array:
        """Law (token, next) of the first two tokens of a training sequence that follow the
        beginning: of the training text and of the blocks, in their shares."""
        text = self.pairs.copy()
        text[BEGINNING] = 0
        block = np.ones(text.shape)
        block[BEGINNING] = block[:, BEGINNING] = 0
        share = self.block_share
        law: Array = (1 - share) * text / text.sum() + share * block / block.sum()
        return law

    @cached_property
    def common(self) -> dict[int, Array]:
        """n -> the commonest n-grams of the training text."""
        streams, vocabulary = self.tokens.train.values(), self.tokens.vocabulary
        return {
            n: commonest(streams, n, most=COMMON, vocabulary=vocabulary, without=BEGINNING)
            for n in (3, 4)
        }

    @cached_property
    def classes(self) -> dict[str, Tensor]:
        """Of the text's tokens (sequence, length) that are not likely after the token before:
        whether they are in a pair that the window has had, or not."""
        before, after = self.text[:, :-1], self.text[:, 1:]
        hard = ~likely(self.pairs, LIKELY)[before, after] & (before != BEGINNING)
        again = seen_before(self.text)
        return {
            "repeated": torch.from_numpy(hard & again),
            "first": torch.from_numpy(hard & ~again),
        }

    @cached_property
    def copies(self) -> dict[str, Tensor]:
        """Of the blocks' tokens (sequence, length), whether they are in the first copy, or in the
        second and not the first of it, which nothing foretells."""
        places = np.arange(self.blocks.tokens.shape[1] - 1)
        sizes = self.blocks.sizes[:, None]
        return {
            "first_copy": torch.from_numpy(places < sizes),
            "second_copy": torch.from_numpy((places > sizes) & (places < 2 * sizes)),
        }


def scores(weights: Weights, held: Held) -> dict[str, float]:
    """Scores by name, of heads as "<score> <layer>:<head>". Losses are in nats.

    loss_text                  of held-out text
    loss_repeated, loss_first  of its tokens that are not among the three commonest continuations of
                               the token before: in a pair that the window has had, or not
    loss_<domain>              of held-out text of one domain
    loss_first_copy, loss_second_copy   of random blocks (the second copy without its first token);
                               of all these the standard error is <name>_error
    loss_no_positions          of held-out text with the positions at zero
    icl                        loss of the last eight tokens less that of the fifth to eighth
    bigram_gap                 mean KL(q || p) after one token, q the training sequences' own law
    ngram_3, ngram_4           loss of the last of n held-out tokens, over that of common n-grams
    previous_token, current_token, prefix   where a head looks, on text and (prefix) on blocks
    """
    text = _token_losses(weights, held.text)
    every = torch.ones_like(text, dtype=torch.bool)
    means = {"loss_text": clustered_mean(text, every)}
    for name, chosen in held.classes.items():
        means[f"loss_{name}"] = clustered_mean(text, chosen)
    for name, windows in held.alone.items():
        losses = _token_losses(weights, windows)
        means[f"loss_{name}"] = clustered_mean(losses, torch.ones_like(losses, dtype=torch.bool))
    copied = _token_losses(weights, held.blocks.tokens)
    for name, chosen in held.copies.items():
        means[f"loss_{name}"] = clustered_mean(copied, chosen)
    without = {**weights, "positions": torch.zeros_like(weights["positions"])}
    return {
        **{name: mean for name, (mean, _) in means.items()},
        **{f"{name}_error": error for name, (_, error) in means.items()},
        "loss_no_positions": float(_token_losses(without, held.text).mean()),
        "icl": float(text[:, -8:].mean() - text[:, 4:8].mean()),
        "bigram_gap": bigram_gap(weights, held.first_pairs),
        **{f"ngram_{n}": _ngram(weights, held, n) for n in held.common},
        **_looks(weights, held),
    }


def _token_losses(weights: Weights, tokens: Array) -> Tensor:
    """(sequence, length)"""
    parts = torch.from_numpy(tokens).long().split(AT_ONCE)
    return torch.cat(
        [cross_entropies(logits(weights, part[:, :-1]), part[:, 1:]) for part in parts]
    )


def bigram_gap(weights: Weights, law: Array) -> float:
    """Mean of KL(q || p) over tokens t, with q(v | t) from the law (t, v) and p the model's
    prediction after the beginning and t; at least zero."""
    tokens = np.flatnonzero(law.sum(1) > 0)
    context = torch.tensor([[BEGINNING, token] for token in tokens])
    log_p = logits(weights, context)[:, -1].log_softmax(-1).double()
    pairs = torch.from_numpy(law[tokens])
    pairs = pairs / pairs.sum()
    q = pairs / pairs.sum(1, keepdim=True)
    return float((torch.xlogy(pairs, q) - pairs * log_p).sum())


def _ngram(weights: Weights, held: Held, n: int) -> float:
    runs = torch.from_numpy(held.text[:, 1:]).unfold(1, n, n).reshape(-1, n)

    def last_loss(grams: Tensor) -> Tensor:
        beginning = torch.full((len(grams), 1), BEGINNING)
        scored = logits(weights, torch.cat([beginning, grams[:, :-1]], dim=1))[:, -1]
        return cross_entropies(scored, grams[:, -1]).mean()

    return float(last_loss(runs) / last_loss(torch.from_numpy(held.common[n])))


def _looks(weights: Weights, held: Held) -> dict[str, float]:
    text = torch.from_numpy(held.text[:ATTENDED, :-1])
    on_text = forward(weights, text).patterns
    on_blocks = forward(weights, torch.from_numpy(held.blocks.tokens[:ATTENDED, :-1])).patterns
    sizes = torch.from_numpy(held.blocks.sizes[:ATTENDED])
    found: dict[str, float] = {}
    for layer in range(depth(weights)):
        columns = {
            "previous_token": previous_token(on_text[layer]),
            "current_token": current_token(on_text[layer]),
            "prefix": prefix(on_blocks[layer], sizes),
        }
        for name, values in columns.items():
            found |= {f"{name} {layer}:{head}": float(v) for head, v in enumerate(values)}
    return found

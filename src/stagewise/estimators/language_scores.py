"""What a transformer has learned of the synthetic language, and by which heads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor

from stagewise.data.grammar import Language
from stagewise.data.synthetic_language import CLASSES, Text
from stagewise.estimators.attention_scores import composition, current_token, prefix, previous_token
from stagewise.estimators.clustered_mean import clustered_mean
from stagewise.models.attention_only import (
    HEAD,
    cross_entropies,
    depth,
    forward,
    logits,
)

Weights = Mapping[str, Tensor]

COMMON = 100
"""N-grams that count as common."""


@dataclass(frozen=True)
class Held:
    """Held-out text as tensors."""

    text: Text

    @cached_property
    def tokens(self) -> Tensor:
        """(sequence, 1 + length)"""
        return torch.from_numpy(self.text.tokens).long()

    def of(self, name: str) -> Tensor:
        """(sequence, length) whether a token is of that class."""
        return torch.from_numpy(self.text.classes == CLASSES.index(name))

    @cached_property
    def periods(self) -> Tensor:
        """(sequence,) lengths of the repeated blocks."""
        return self.of("first copy").sum(1)


def scores(
    weights: Weights, known: Language, mixture: Text, alone: Mapping[str, Text]
) -> dict[str, float]:
    """Scores by name, of heads as "<score> <layer>:<head>". Losses are in nats.

    loss_mixture; loss_<class> on the sources alone, each with its standard error <name>_error
    loss_no_positions, loss_no_positions_repeated   with the positions at zero
    bigram_gap        mean KL(q || p) after one token, q the language's exact conditional
    ngram_3, ngram_4  loss of the last of n tokens of the chain, over that of common n-grams
    icl               loss of the last eight tokens less that of the fifth to eighth
    previous_token, current_token, prefix   where a head looks
    k_composition, v_composition   "<writer> <reader>"
    norm              of a head's weights; norm_small_share: layer-norm scales below a tenth
    effective_rank_embed, _positions, _unembed
    entropy_unigram, entropy_bigram, entropy_rate, rules   of the language itself
    """
    held, apart = Held(mixture), {name: Held(text) for name, text in alone.items()}
    found: dict[str, float] = {}
    found |= _losses(weights, held, apart)
    found |= _positions(weights, held, apart["repeats"])
    found["bigram_gap"] = _bigram_gap(weights, known)
    found |= {f"ngram_{n}": _ngram(weights, known, apart["markov"], n) for n in (3, 4)}
    found |= _looks(weights, apart)
    found |= _structure(weights)
    found |= {f"entropy_{name}": value for name, value in known.entropies._asdict().items()}
    found["rules"] = float(known.grammar.rules)
    return found


def token_losses(weights: Weights, held: Held) -> Tensor:
    """(sequence, length), nats"""
    return cross_entropies(logits(weights, held.tokens[:, :-1]), held.tokens[:, 1:])


def _losses(weights: Weights, held: Held, apart: Mapping[str, Held]) -> dict[str, float]:
    whole = token_losses(weights, held)
    found = {"mixture": clustered_mean(whole, torch.ones_like(whole, dtype=torch.bool))}
    for one in apart.values():
        losses = token_losses(weights, one)
        for name in CLASSES:
            if (chosen := one.of(name)).any():
                found[name.replace(" ", "_")] = clustered_mean(losses, chosen)
    gain = whole[:, -8:].mean() - whole[:, 4:8].mean()
    return {
        **{f"loss_{name}": value for name, (value, _) in found.items()},
        **{f"loss_{name}_error": error for name, (_, error) in found.items()},
        "icl": float(gain),
    }


def _positions(weights: Weights, held: Held, repeats: Held) -> dict[str, float]:
    without = {**weights, "positions": torch.zeros_like(weights["positions"])}
    copied = token_losses(without, repeats)[repeats.of("repeated")]
    return {
        "loss_no_positions": float(token_losses(without, held).mean()),
        "loss_no_positions_repeated": float(copied.mean()),
    }


def _bigram_gap(weights: Weights, known: Language) -> float:
    count = known.grammar.ordinary
    beginning = torch.full((count,), known.grammar.beginning)
    scored = logits(weights, torch.stack([beginning, torch.arange(count)], dim=1))[:, -1]
    log_p = scored.log_softmax(-1)[:, :count].double().numpy()
    q = known.after_beginning
    apart = (q * (np.log(q) - log_p)).sum(1)
    return float(known.first_weights @ apart)


def _ngram(weights: Weights, known: Language, chain: Held, n: int) -> float:
    """Held-out windows of the chain against its most likely windows."""
    windows = chain.tokens[:, 1:].unfold(1, n, n).reshape(-1, n)
    law = known.pairs
    for _ in range(n - 2):
        law = law[..., None] * known.transition
    flat, most = law.ravel(), min(COMMON, law.size)
    likely = np.argpartition(flat, -most)[-most:]
    likely = likely[np.argsort(-flat[likely])]
    common = torch.from_numpy(np.stack(np.unravel_index(likely, law.shape), axis=1))

    def last_loss(grams: Tensor) -> Tensor:
        beginning = torch.full((len(grams), 1), known.grammar.beginning)
        scored = logits(weights, torch.cat([beginning, grams[:, :-1]], dim=1))[:, -1]
        return cross_entropies(scored, grams[:, -1]).mean()

    return float(last_loss(windows) / last_loss(common))


def heads(weights: Weights) -> Iterator[tuple[int, int]]:
    """Every (layer, head)."""
    return iter(
        (layer, head)
        for layer in range(depth(weights))
        for head in range(len(weights[f"layer{layer}.query"]))
    )


def _looks(weights: Weights, apart: Mapping[str, Held]) -> dict[str, float]:
    chain, repeats = apart["markov"], apart["repeats"]
    on_chain = forward(weights, chain.tokens[:, :-1]).patterns
    on_repeats = forward(weights, repeats.tokens[:, :-1]).patterns
    found: dict[str, float] = {}
    for layer in range(depth(weights)):
        columns: dict[str, Tensor] = {
            "previous_token": previous_token(on_chain[layer]),
            "current_token": current_token(on_chain[layer]),
            "prefix": prefix(on_repeats[layer], repeats.periods),
        }
        for name, values in columns.items():
            found |= {f"{name} {layer}:{head}": float(v) for head, v in enumerate(values)}
    return found


def _structure(weights: Weights) -> dict[str, float]:
    found: dict[str, float] = {}
    places = list(heads(weights))
    of_head: dict[tuple[int, int], dict[str, Tensor]] = {
        (layer, head): {name: weights[f"layer{layer}.{name}"][head] for name in HEAD}
        for layer, head in places
    }
    for (layer, head), parts in of_head.items():
        squares = sum(float(part.square().sum()) for part in parts.values())
        found[f"norm {layer}:{head}"] = squares**0.5
    for first, second in product(places, places):
        if second[0] != first[0] + 1:
            continue
        writer, reader = of_head[first], of_head[second]
        written = writer["value"] @ writer["out"]
        pair = f"{first[0]}:{first[1]} {second[0]}:{second[1]}"
        by_key = composition(written, reader["key"] @ reader["query"].T)
        by_value = composition(written, reader["value"] @ reader["out"])
        found |= {f"k_composition {pair}": float(by_key), f"v_composition {pair}": float(by_value)}
    scales = torch.cat([tensor for name, tensor in weights.items() if name.endswith("norm.scale")])
    found["norm_small_share"] = float((scales.abs() < 0.1).float().mean())
    for name in ("embed", "positions", "unembed"):
        found[f"effective_rank_{name}"] = effective_rank(weights[name])
    return found


def effective_rank(matrix: Tensor) -> float:
    """exp of the entropy of the normalised singular values (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals(matrix)
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())

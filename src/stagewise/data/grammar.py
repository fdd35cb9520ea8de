"""The grammar of the synthetic language: its sources, their sizes, tables and exact entropies."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SOURCES = ("markov", "repeats", "rules", "brackets", "indents")


@dataclass(frozen=True)
class Grammar:
    """Sizes and shares of the sources."""

    ordinary: int = 32
    """Tokens of the chain and the blocks."""
    keys: int = 4
    brackets: int = 3
    """Types of them, each with an opening and a closing token."""
    indents: tuple[int, int] = (2, 8)
    """Least and greatest length of a run of spaces."""
    word: int = 2
    """Tokens of a word behind a run of spaces."""
    shares: dict[str, float] = field(
        default_factory=lambda: {"markov": 0.4, "repeats": 0.25, "rules": 0.25, "brackets": 0.1}
    )
    concentration: float = 0.15
    """Of the Dirichlet law of the rows of both tables."""
    mix: float = 0.3
    """Weight of the token before the last."""
    block: tuple[int, int] = (8, 24)
    """Least and greatest length of a repeated block."""
    key_rate: float = 0.12
    """Probability that a key is put in: never twice in a row, in place of a rule's outcome, or
    among the first two tokens."""
    reach: int = 6
    """Most places from a key to the token its rule is about."""
    rules: int = 32
    """Pairs (key, token) with a rule: how much there is to be memorised."""
    depth: int = 6
    """Most brackets that are open at a time."""

    def __post_init__(self) -> None:
        if not set(self.shares) <= set(SOURCES) or abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError(f"shares: must be of {', '.join(SOURCES)} and sum to 1")
        if min(self.shares.values()) < 0:
            raise ValueError(f"shares: must not be negative, got {self.shares}")
        if not 0 < self.rules <= self.keys * self.ordinary or self.rules % self.keys:
            raise ValueError(
                f"rules: must be a multiple of the {self.keys} keys, at most "
                f"{self.keys * self.ordinary}, got {self.rules}"
            )
        if not 2 <= self.block[0] <= self.block[1]:
            raise ValueError(f"block: must be [least, greatest], at least 2, got {self.block}")
        if not 1 <= self.indents[0] <= self.indents[1]:
            raise ValueError(f"indents: must be [least, greatest], at least 1, got {self.indents}")
        if self.word < 1:
            raise ValueError(f"word: must be at least 1, got {self.word}")

    @property
    def space(self) -> int:
        """The token of indents, if the grammar has any."""
        return self.ordinary + self.keys + 2 * self.brackets

    @property
    def sources(self) -> tuple[str, ...]:
        """Those with a share."""
        return tuple(name for name in SOURCES if self.shares.get(name, 0) > 0)

    @property
    def beginning(self) -> int:
        """The token that every sequence begins with: the last of the vocabulary."""
        return self.space + ("indents" in self.sources)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.beginning + 1


class Entropies(NamedTuple):
    """Of the chain, in nats."""

    unigram: float
    bigram: float
    """Of the next token given the last."""
    rate: float
    """Given all before: what no model falls below."""


@dataclass(frozen=True)
class Language:
    """A grammar with its tables."""

    grammar: Grammar
    first: Array
    """P1 (last, next)"""
    second: Array
    """P2 (before last, next)"""
    rule: Array
    """(key, token) -> outcome, or -1"""
    pairs: Array
    """Stationary distribution (last, next) of the chain."""

    @cached_property
    def levels(self) -> Array:
        """Cumulated rows of `first` and of `second`, (which of them, token, next)."""
        return np.stack([self.first, self.second]).cumsum(-1)

    @property
    def transition(self) -> Array:
        """(before last, last, next)"""
        mix = self.grammar.mix
        return (1 - mix) * self.first[None] + mix * self.second[:, None]

    @property
    def entropies(self) -> Entropies:
        """Exact, from the stationary distribution."""
        single = self.pairs.sum(1)
        joint = self.pairs[:, :, None] * self.transition
        return Entropies(
            unigram=_entropy(single),
            bigram=_entropy(self.pairs) - _entropy(single),
            rate=_entropy(joint) - _entropy(self.pairs),
        )

    @property
    def after_beginning(self) -> Array:
        """q (token, next): what follows an ordinary token that is the first of its sequence, rows
        summing to 1, with the weights of the rows as `first_weights`."""
        return self._first_pairs / self._first_pairs.sum(1, keepdims=True)

    @property
    def first_weights(self) -> Array:
        """Probability of each ordinary token among those that come first in a sequence."""
        weights: Array = self._first_pairs.sum(1)
        return weights / weights.sum()

    @property
    def _first_pairs(self) -> Array:
        shares, count = self.grammar.shares, self.grammar.ordinary
        return (shares["markov"] + shares["rules"]) * self.pairs + shares["repeats"] / count**2


def language(grammar: Grammar, seed: int) -> Language:
    """The tables of a grammar, drawn once for all that speak it."""
    random, count = np.random.default_rng(seed), grammar.ordinary

    def table() -> Array:
        rows = random.dirichlet(np.full(count, grammar.concentration), size=count) + 1e-4
        return rows / rows.sum(1, keepdims=True)

    first, second = table(), table()
    made = Language(grammar, first, second, np.empty(0), np.empty(0))
    pairs = _stationary(made.transition)
    bigram = pairs / pairs.sum(1, keepdims=True)
    rule = np.full((grammar.keys, count), -1)
    for key in range(grammar.keys):
        for token in random.choice(count, grammar.rules // grammar.keys, replace=False):
            unlikely = np.argsort(bigram[token])[: count // 2]
            rule[key, token] = random.choice(unlikely)
    return Language(grammar, first, second, rule, pairs)


def _stationary(transition: Array) -> Array:
    """Stationary distribution of pairs under (before last, last, next), by power iteration."""
    count = len(transition)
    pairs = np.full((count, count), 1 / count**2)
    for _ in range(2000):
        pairs = np.einsum("ab,abc->bc", pairs, transition)
    return pairs


def _entropy(probabilities: Array) -> float:
    known = probabilities[probabilities > 0]
    return float(-(known * np.log(known)).sum())

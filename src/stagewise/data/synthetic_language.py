"""A language of four sources with known classes of tokens and exact entropies.

A sequence is a beginning and `length` tokens from one source, drawn with the given shares:

    markov    a chain of the second order: next ~ (1 - mix) P1[x_t] + mix P2[x_(t-1)]
    repeats   a block of independent uniform tokens, over and over
    rules     the chain with keys put in at random; after key a and, one to six places later, token
              b, the pair (a, b) may have a rule, and then the next token is certain
    brackets  strings of nested brackets: what closes is certain, whether it closes is a coin

Each source needs something else of a model: tables of pairs, copying from the context, memory of
a list, a stack.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SOURCES = ("markov", "repeats", "rules", "brackets")
CLASSES = (
    "markov",
    "first copy",
    "second start",
    "repeated",
    "background",
    "key",
    "triggered",
    "opening",
    "closing",
)
"""Of a token, by what there is to predict it from: `second start` is the first token of a block's
second copy, which nothing foretells; `background` is the chain between keys and rules."""


@dataclass(frozen=True)
class Grammar:
    """Sizes and shares of the sources."""

    ordinary: int = 32
    """Tokens of the chain and the blocks."""
    keys: int = 4
    brackets: int = 3
    """Types of them, each with an opening and a closing token."""
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
        if set(self.shares) != set(SOURCES) or abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError(f"shares: must name {', '.join(SOURCES)} and sum to 1")
        if not 0 < self.rules <= self.keys * self.ordinary or self.rules % self.keys:
            raise ValueError(
                f"rules: must be a multiple of the {self.keys} keys, at most "
                f"{self.keys * self.ordinary}, got {self.rules}"
            )
        if not 2 <= self.block[0] <= self.block[1]:
            raise ValueError(f"block: must be [least, greatest], at least 2, got {self.block}")

    @property
    def beginning(self) -> int:
        """The token that every sequence begins with: the last of the vocabulary."""
        return self.ordinary + self.keys + 2 * self.brackets

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


class Text(NamedTuple):
    """Sequences with what is known of every token."""

    tokens: Array
    """(sequence, 1 + length), the beginning first."""
    classes: Array
    """(sequence, length) number in CLASSES of each token after the beginning."""
    sources: Array
    """(sequence,) number in SOURCES."""


def sequences(known: Language, count: int, length: int, seed: int, source: str = "") -> Text:
    """`count` sequences, of all sources in their shares or of the one named."""
    random, grammar = np.random.default_rng(seed), known.grammar
    shares = [float(name == source) if source else grammar.shares[name] for name in SOURCES]
    chosen = random.choice(len(SOURCES), count, p=shares)
    tokens = np.full((count, 1 + length), grammar.beginning)
    classes = np.zeros((count, length), dtype=int)
    writers = {"markov": _markov, "repeats": _repeats, "rules": _rules, "brackets": _brackets}
    for number, name in enumerate(SOURCES):
        rows = np.flatnonzero(chosen == number)
        tokens[rows, 1:], classes[rows] = writers[name](known, len(rows), length, random)
    return Text(tokens, classes, chosen)


Written = tuple[Array, Array]
"""Tokens and classes, (sequence, length) both."""


def _class(name: str) -> int:
    return CLASSES.index(name)


def _drawn(rows: Array, random: np.random.Generator) -> Array:
    """One outcome of each row of probabilities."""
    levels = rows.cumsum(1)
    return (levels < random.random(len(rows))[:, None] * levels[:, -1:]).sum(1)


def _next(known: Language, before: Array, last: Array, random: np.random.Generator) -> Array:
    """The chain's next tokens."""
    older = random.random(len(last)) < known.grammar.mix
    return _drawn(np.where(older[:, None], known.second[before], known.first[last]), random)


def _starts(known: Language, count: int, random: np.random.Generator) -> tuple[Array, Array]:
    """The chain's first two tokens."""
    place = random.choice(known.pairs.size, count, p=known.pairs.ravel())
    return np.divmod(place, known.grammar.ordinary)


def _markov(known: Language, count: int, length: int, random: np.random.Generator) -> Written:
    tokens = np.empty((count, length), dtype=int)
    tokens[:, 0], tokens[:, 1] = _starts(known, count, random)
    for place in range(2, length):
        tokens[:, place] = _next(known, tokens[:, place - 2], tokens[:, place - 1], random)
    return tokens, np.full(tokens.shape, _class("markov"))


def _repeats(known: Language, count: int, length: int, random: np.random.Generator) -> Written:
    least, greatest = known.grammar.block
    sizes = random.integers(least, greatest + 1, count)[:, None]
    blocks = random.integers(0, known.grammar.ordinary, (count, greatest))
    places = np.arange(length)
    tokens = np.take_along_axis(blocks, places % sizes, axis=1)
    again = np.where(places == sizes, _class("second start"), _class("repeated"))
    return tokens, np.where(places < sizes, _class("first copy"), again)


def _rules(known: Language, count: int, length: int, random: np.random.Generator) -> Written:
    grammar = known.grammar
    tokens = np.empty((count, length), dtype=int)
    classes = np.full(tokens.shape, _class("background"))
    before, last = _starts(known, count, random)
    tokens[:, 0] = before
    key, since = np.zeros(count, dtype=int), np.full(count, grammar.reach + 1)
    started = np.zeros(count, dtype=bool)  # whether the chain's second token is written
    for place in range(1, length):
        current = tokens[:, place - 1]
        ordinary = current < grammar.ordinary
        within = ordinary & (since >= 1) & (since <= grammar.reach)
        outcome = np.where(within, known.rule[key, np.where(ordinary, current, 0)], -1)
        triggered = outcome >= 0
        put = ~triggered & ordinary & started & (random.random(count) < grammar.key_rate)
        fresh = random.integers(0, grammar.keys, count)
        following = np.where(started, _next(known, before, last, random), last)
        ordinary_next = np.where(triggered, outcome, following)
        tokens[:, place] = np.where(put, grammar.ordinary + fresh, ordinary_next)
        classes[put, place] = _class("key")
        classes[triggered, place] = _class("triggered")
        # the chain's state: its last two tokens, of which a key is none
        moved = ~put
        previous = np.where(started, last, before)
        before = np.where(moved, previous, before)
        last = np.where(moved, ordinary_next, last)
        started |= moved
        key, since = np.where(put, fresh, key), np.where(put, 0, since + 1)
    return tokens, classes


def _brackets(known: Language, count: int, length: int, random: np.random.Generator) -> Written:
    grammar = known.grammar
    opening = grammar.ordinary + grammar.keys
    tokens = np.empty((count, length), dtype=int)
    classes = np.empty_like(tokens)
    stack = np.zeros((count, grammar.depth + 1), dtype=int)
    depth = np.zeros(count, dtype=int)
    rows = np.arange(count)
    for place in range(length):
        coin = random.random(count) < 0.5
        opens = (depth == 0) | (coin & (depth < grammar.depth))
        kind = np.where(opens, random.integers(0, grammar.brackets, count), stack[rows, depth - 1])
        tokens[:, place] = opening + kind + np.where(opens, 0, grammar.brackets)
        classes[:, place] = np.where(opens, _class("opening"), _class("closing"))
        stack[rows, depth] = np.where(opens, kind, stack[rows, depth])
        depth += np.where(opens, 1, -1)
    return tokens, classes

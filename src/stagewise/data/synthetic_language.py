"""A language of five sources with known classes of tokens and exact entropies.

A sequence is a beginning and `length` tokens from one source, drawn with the given shares:

    markov    a chain of the second order: next ~ (1 - mix) P1[x_t] + mix P2[x_(t-1)]
    repeats   a block of independent uniform tokens, over and over
    rules     the chain with keys put in at random; after key a and, one to six places later, token
              b, the pair (a, b) may have a rule, and then the next token is certain
    brackets  strings of nested brackets: what closes is certain, whether it closes is a coin
    indents   runs of spaces, all of a sequence of one length, each before a word of pairs
              of P1; only counting tells where a run ends

Each source needs something else of a model: tables of pairs, copying from the context, memory of
a list, a stack, a count. A grammar without indents has no space among its tokens.
"""

from typing import NamedTuple

import numpy as np

from stagewise.data.grammar import SOURCES, Array, Language

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
    "space",
    "word",
)
"""Of a token, by what there is to predict it from: `second start` is the first token of a block's
second copy, which nothing foretells; `background` is the chain between keys and rules."""


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
    shares = [
        float(name == source) if source else grammar.shares.get(name, 0.0) for name in SOURCES
    ]
    chosen = random.choice(len(SOURCES), count, p=shares)
    tokens = np.full((count, 1 + length), grammar.beginning)
    classes = np.zeros((count, length), dtype=int)
    writers = {
        "markov": _markov,
        "repeats": _repeats,
        "rules": _rules,
        "brackets": _brackets,
        "indents": _indents,
    }
    for number, name in enumerate(SOURCES):
        rows = np.flatnonzero(chosen == number)
        tokens[rows, 1:], classes[rows] = writers[name](known, len(rows), length, random)
    return Text(tokens, classes, chosen)


Written = tuple[Array, Array]
"""Tokens and classes, (sequence, length) both."""


def _class(name: str) -> int:
    return CLASSES.index(name)


def _drawn(levels: Array, random: np.random.Generator) -> Array:
    """One outcome of each row of cumulated probabilities."""
    highest: Array = random.random(len(levels)) * levels[:, -1]
    return np.count_nonzero(levels < highest[:, None], axis=1)


def _next(known: Language, before: Array, last: Array, random: np.random.Generator) -> Array:
    """The chain's next tokens."""
    older = random.random(len(last)) < known.grammar.mix
    return _drawn(known.levels[older.astype(int), np.where(older, before, last)], random)


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


def _indents(known: Language, count: int, length: int, random: np.random.Generator) -> Written:
    grammar = known.grammar
    least, greatest = grammar.indents
    sizes = random.integers(least, greatest + 1, count)[:, None]
    words = grammar.word * (length // (least + grammar.word) + 1)
    chain = random.integers(0, grammar.ordinary, (count, words))
    for place in range(words):
        if place % grammar.word:
            chain[:, place] = _drawn(known.levels[0, chain[:, place - 1]], random)
    places = np.arange(length)
    line, within = np.divmod(places, sizes + grammar.word)
    is_space = within < sizes
    letter = line * grammar.word + np.where(is_space, 0, within - sizes)
    tokens = np.where(is_space, grammar.space, np.take_along_axis(chain, letter, axis=1))
    return tokens, np.where(is_space, _class("space"), _class("word"))

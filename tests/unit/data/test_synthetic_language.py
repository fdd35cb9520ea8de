"""The synthetic language: its classes tell the truth, and its entropies are those of its text."""

from dataclasses import replace

import numpy as np
import pytest

from stagewise.data.grammar import Grammar, language
from stagewise.data.synthetic_language import CLASSES, sequences

GRAMMAR = Grammar()
KNOWN = language(GRAMMAR, 7)
LENGTH = 64


def test_shape_shares_and_seed() -> None:
    text = sequences(KNOWN, 4000, LENGTH, 1)
    assert text.tokens.shape == (4000, 65)
    assert (text.tokens[:, 0] == GRAMMAR.beginning).all()
    assert text.tokens[:, 1:].max() < GRAMMAR.beginning == GRAMMAR.vocabulary - 1 == 42
    shares = np.bincount(text.sources, minlength=4) / 4000
    expected = np.array([GRAMMAR.shares[name] for name in GRAMMAR.sources])
    assert (np.abs(shares - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)).all()
    again = sequences(KNOWN, 4000, LENGTH, 1)
    for one, other in zip(text, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (sequences(KNOWN, 4000, LENGTH, 2).tokens != text.tokens).any()


def test_stationary_distribution_and_entropies() -> None:
    np.testing.assert_allclose(
        np.einsum("ab,abc->bc", KNOWN.pairs, KNOWN.transition), KNOWN.pairs, atol=1e-14
    )
    unigram, bigram, rate = KNOWN.entropies
    assert 0 < rate < bigram < unigram < np.log(GRAMMAR.ordinary)
    alone = language(replace(GRAMMAR, mix=0.0), 7).entropies
    assert alone.rate == pytest.approx(alone.bigram, rel=1e-9), "a chain of the first order"


def test_the_chain_has_its_entropy_rate() -> None:
    """Minus the mean log probability of 256,000 tokens, within four standard errors."""
    tokens = sequences(KNOWN, 4000, LENGTH, 3, "markov").tokens[:, 1:]
    chance = KNOWN.transition[tokens[:, :-2], tokens[:, 1:-1], tokens[:, 2:]]
    losses = -np.log(chance).mean(1)
    assert abs(losses.mean() - KNOWN.entropies.rate) < 4 * losses.std() / 4000**0.5
    pairs = np.zeros_like(KNOWN.pairs)
    np.add.at(pairs, (tokens[:, -2], tokens[:, -1]), 1 / 4000)
    assert np.abs(pairs - KNOWN.pairs).sum() < 0.35, "still stationary at the end"


def test_blocks_repeat() -> None:
    text = sequences(KNOWN, 300, LENGTH, 4, "repeats")
    starts = []
    for tokens, classes in zip(text.tokens[:, 1:], text.classes, strict=True):
        size = int((classes == CLASSES.index("first copy")).sum())
        assert GRAMMAR.block[0] <= size <= GRAMMAR.block[1]
        assert classes[size] == CLASSES.index("second start")
        assert (classes[size + 1 :] == CLASSES.index("repeated")).all()
        np.testing.assert_array_equal(tokens[size:], tokens[:-size])
        starts.append(size)
    assert set(starts) == set(range(8, 25))


def test_rules_hold_and_keys_are_where_they_may_be() -> None:
    text = sequences(KNOWN, 2000, LENGTH, 5, "rules")
    tokens, key_class, triggered = text.tokens[:, 1:], *map(CLASSES.index, ("key", "triggered"))
    is_key = (tokens >= 32) & (tokens < 36)
    np.testing.assert_array_equal(is_key, text.classes == key_class)
    assert not (is_key[:, 1:] & is_key[:, :-1]).any()
    for row, classes in zip(tokens, text.classes, strict=True):
        keys = np.flatnonzero(classes == key_class)
        for place in range(1, LENGTH):
            seen, current = keys[keys < place], row[place - 1]
            outcome = -1
            if current < 32 and len(seen) and 1 <= place - 1 - seen[-1] <= GRAMMAR.reach:
                outcome = KNOWN.rule[row[seen[-1]] - 32, current]
            assert (classes[place] == triggered) == (outcome >= 0)
            if outcome >= 0:
                assert row[place] == outcome
    assert (KNOWN.rule >= 0).sum(1).tolist() == [8, 8, 8, 8]
    assert 0.02 < (text.classes == triggered).mean() < 0.2


def test_between_keys_and_rules_the_chain_goes_on() -> None:
    """Without keys and outcomes, what is left of a sequence before its first rule is the chain."""
    quiet = language(replace(GRAMMAR, reach=0), 7)
    text = sequences(quiet, 3000, LENGTH, 6, "rules")
    losses = []
    for row, classes in zip(text.tokens[:, 1:], text.classes, strict=True):
        chain = row[classes == CLASSES.index("background")]
        losses.append(-np.log(quiet.transition[chain[:-2], chain[1:-1], chain[2:]]).mean())
    mean, error = np.mean(losses), np.std(losses) / len(losses) ** 0.5
    assert abs(mean - quiet.entropies.rate) < 4 * error


def test_brackets_close_what_is_open() -> None:
    text = sequences(KNOWN, 500, LENGTH, 8, "brackets")
    deepest = 0
    for row, classes in zip(text.tokens[:, 1:], text.classes, strict=True):
        stack: list[int] = []
        for token, kind in zip(row, classes, strict=True):
            if kind == CLASSES.index("opening"):
                stack.append(int(token) + GRAMMAR.brackets)
            else:
                assert kind == CLASSES.index("closing")
                assert stack.pop() == token
            deepest = max(deepest, len(stack))
    assert deepest == GRAMMAR.depth


def test_runs_of_spaces_have_the_length_of_their_sequence() -> None:
    shares = {"markov": 0.5, "indents": 0.5}
    grammar = replace(GRAMMAR, shares=shares, indents=(2, 6), word=3)
    assert grammar.sources == ("markov", "indents")
    assert (grammar.space, grammar.beginning, grammar.vocabulary) == (42, 43, 44)
    known = language(grammar, 7)
    tokens, classes, _ = sequences(known, 300, LENGTH, 5, "indents")
    is_space = tokens[:, 1:] == grammar.space
    assert (is_space == (classes == CLASSES.index("space"))).all()
    assert (~is_space == (classes == CLASSES.index("word"))).all()
    found = set()
    pairs = np.zeros((32, 32))
    for row, spaces in zip(tokens[:, 1:], is_space, strict=True):
        ends = np.flatnonzero(np.diff(np.r_[~spaces[0], spaces])).tolist()
        lengths = np.diff(ends)
        assert len(set(lengths[::2])) == 1
        assert set(lengths[1::2]) == {3}
        found.add(int(lengths[0]))
        within = ~spaces[1:] & ~spaces[:-1]
        np.add.at(pairs, (row[:-1][within], row[1:][within]), 1)
    assert found == {2, 3, 4, 5, 6}
    often = pairs.sum(1) > 150
    rows = pairs[often] / pairs[often].sum(1, keepdims=True)
    assert np.abs(rows - known.first[often]).max() < 0.15
    assert sequences(known, 50, LENGTH, 5, "markov").tokens.max() == grammar.beginning


def test_what_follows_the_first_token() -> None:
    """The table of what comes after a sequence's first token, against 200,000 sequences."""
    tokens = sequences(KNOWN, 200_000, 2, 9).tokens
    counts = np.zeros((32, 32))
    kept = tokens[(tokens[:, 1] < 32) & (tokens[:, 2] < 32)]
    np.add.at(counts, (kept[:, 1], kept[:, 2]), 1)
    often = counts.sum(1) > 5000
    assert often.any()
    expected = KNOWN.after_beginning[often]
    found = counts[often] / counts[often].sum(1, keepdims=True)
    assert np.abs(found - expected).sum(1).max() < 0.08


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {"markov": 0.9}}, "shares: must be of"),
        ({"shares": {"prose": 1.0}}, "shares: must be of"),
        ({"shares": {"markov": 1.5, "rules": -0.5}}, "shares: must not be negative"),
        ({"indents": (3, 2)}, "indents: must be"),
        ({"word": 0}, "word: must be"),
        ({"rules": 30}, "rules: must be a multiple of the 4 keys"),
        ({"block": (9, 8)}, "block: must be"),
    ],
)
def test_grammars_that_make_no_sense(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GRAMMAR, **changes)  # type: ignore[arg-type]

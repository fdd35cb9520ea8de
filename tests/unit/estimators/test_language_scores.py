"""Scores of a model that is known: a table of the language's own bigrams."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stagewise.data.grammar import Grammar, language
from stagewise.data.synthetic_language import Text, sequences
from stagewise.estimators.language_ablations import _latest_keys, ablations
from stagewise.estimators.language_scores import Held, effective_rank, scores
from stagewise.models.attention_only import initial

KNOWN = language(Grammar(), 0)
MIXTURE = sequences(KNOWN, 64, 40, 1)
ALONE = {name: sequences(KNOWN, 64, 40, 2, name) for name in KNOWN.grammar.sources}


def table() -> dict[str, Tensor]:
    """A model without attention: after an ordinary token exactly what follows it as the first."""
    size, ordinary = KNOWN.grammar.vocabulary, KNOWN.grammar.ordinary
    stream = torch.Generator().manual_seed(0)
    weights = initial(
        vocabulary=size, context=40, width=size, heads=1, layers=2, later_out=0.0, stream=stream
    )
    weights["layer0.out"].zero_()
    weights["embed"] = torch.eye(size)
    high, low = torch.nn.functional.layer_norm(torch.eye(size), (size,))[0, :2]
    weights["norm.shift"] = torch.full((size,), -float(low))
    wanted = np.full((size, size), -30.0)
    wanted[:ordinary, :ordinary] = np.log(KNOWN.after_beginning)
    weights["unembed"] = torch.from_numpy(wanted).float() / (high - low)
    return weights


FOUND = scores(table(), KNOWN, MIXTURE, ALONE)


def test_the_table_of_bigrams_has_no_gap() -> None:
    assert FOUND["bigram_gap"] == pytest.approx(0, abs=1e-4)
    spoilt = table()
    spoilt["unembed"] = spoilt["unembed"].roll(1, 1)
    assert scores(spoilt, KNOWN, MIXTURE, ALONE)["bigram_gap"] > 0.5


def test_its_loss_on_the_chain_lies_above_the_bigram_entropy() -> None:
    start = np.log(KNOWN.grammar.vocabulary) / 40  # after the beginning the table knows nothing
    chain = FOUND["loss_markov"] - start
    error = FOUND["loss_markov_error"]
    assert chain > FOUND["entropy_bigram"] * 39 / 40 - 4 * error
    assert FOUND["entropy_rate"] < FOUND["entropy_bigram"] < FOUND["entropy_unigram"]


def test_heads_that_write_nothing_are_missed_by_nobody() -> None:
    missed = ablations(table(), MIXTURE, ALONE).values()
    assert len(missed) == 2 * 5
    assert max(map(abs, missed)) == 0


def test_positions_that_nothing_reads_make_no_difference() -> None:
    assert FOUND["loss_no_positions"] == pytest.approx(FOUND["loss_mixture"], abs=1e-6)


def test_the_latest_key_of_every_token() -> None:
    grammar = KNOWN.grammar
    rules = ALONE["rules"]
    held = Held(rules)
    keys, triggered = _latest_keys(held), held.of("triggered")
    assert triggered.any()
    for row, place in triggered.nonzero().tolist():
        key = int(keys[row, place]) - grammar.ordinary
        token = rules.tokens[row, place]
        assert KNOWN.rule[key, token] == rules.tokens[row, place + 1]


def test_effective_rank() -> None:
    assert effective_rank(torch.eye(7)) == pytest.approx(7, abs=1e-4)
    assert effective_rank(torch.ones(5, 5)) == pytest.approx(1, abs=1e-2)


def test_errors_are_of_independent_sequences() -> None:
    doubled = Text(*(np.concatenate([part, part]) for part in MIXTURE))
    twice = scores(table(), KNOWN, doubled, ALONE)
    assert twice["loss_mixture"] == pytest.approx(FOUND["loss_mixture"])
    ratio = FOUND["loss_mixture_error"] / twice["loss_mixture_error"]
    assert ratio == pytest.approx(2**0.5, rel=1e-3)

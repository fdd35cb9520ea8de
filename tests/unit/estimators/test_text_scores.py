"""Scores on text: known answers of models whose predictions are known."""

from itertools import pairwise
from math import log

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from stagewise.data.tokens import BEGINNING, Tokens
from stagewise.data.windows import blocks, windows
from stagewise.estimators.text_scores import Held, bigram_gap, scores
from stagewise.models.attention_only import initial
from stagewise.seeds import generator

VOCABULARY, LENGTH, WIDTH = 12, 24, 16


@pytest.fixture(scope="module")
def held() -> Held:
    random = np.random.default_rng(0)

    def stream(size: int) -> np.ndarray:
        drawn = random.choice(VOCABULARY - 1, size, p=np.arange(11, 0, -1) / 66)
        return np.concatenate([[BEGINNING], drawn + 1]).astype(np.uint16)

    tokens = Tokens(
        VOCABULARY,
        train={"a": stream(4000), "b": stream(2000)},
        test={"a": stream(400), "b": stream(300)},
    )
    return Held(
        tokens=tokens,
        text=windows(tokens.test, 40, LENGTH, 0),
        alone={name: windows({name: found}, 10, LENGTH, 1) for name, found in tokens.test.items()},
        blocks=blocks(30, LENGTH, vocabulary=VOCABULARY, sizes=(4, 10), seed=2),
        block_share=0.3,
    )


def weights(log_q: Tensor) -> dict[str, Tensor]:
    """A model that predicts q (token, next) from the last token alone."""
    made = initial(
        vocabulary=VOCABULARY,
        context=LENGTH,
        width=WIDTH,
        heads=2,
        layers=2,
        stream=generator(0, "weights"),
    )
    for layer in range(2):
        made[f"layer{layer}.out"] = torch.zeros_like(made[f"layer{layer}.out"])
    seen = layer_norm(made["embed"].double(), (WIDTH,))
    made["unembed"] = (torch.linalg.pinv(seen) @ log_q.double()).float()
    return made


def test_uniform_predictions(held: Held) -> None:
    found = scores(weights(torch.zeros(VOCABULARY, VOCABULARY)), held)
    losses = [name for name in found if name.startswith("loss") and not name.endswith("_error")]
    assert {"loss_text", "loss_a", "loss_b", "loss_repeated", "loss_second_copy"} <= set(losses)
    for name in losses:
        assert abs(found[name] - log(VOCABULARY)) < 1e-4, name
    assert abs(found["ngram_3"] - 1) < 1e-4
    assert abs(found["icl"]) < 1e-4
    assert {"previous_token 0:1", "prefix 1:0", "current_token 1:1"} <= set(found)


def test_bigram_gap_is_nothing_for_the_law_itself_and_known_for_uniform(held: Held) -> None:
    law = held.first_pairs
    assert abs(law.sum() - 1) < 1e-12
    assert law[BEGINNING].sum() == 0
    block = law[1:, BEGINNING]
    assert abs(block.sum()) < 1e-12, "no text here goes from a document to the next"
    q = law[1:] / law[1:].sum(1, keepdims=True)
    log_q = torch.full((VOCABULARY, VOCABULARY), -30.0)
    log_q[1:, 1:] = torch.from_numpy(np.log(q[:, 1:]))
    assert abs(bigram_gap(weights(log_q), law)) < 1e-4
    single = law[1:].sum(1)
    entropy = -(single[:, None] * q[:, 1:] * np.log(q[:, 1:])).sum()
    uniform = bigram_gap(weights(torch.zeros(VOCABULARY, VOCABULARY)), law)
    assert abs(uniform - (log(VOCABULARY) - entropy)) < 1e-4


def test_common_ngrams_are_easier_for_a_model_of_the_text(held: Held) -> None:
    share = np.bincount(held.tokens.train["a"], minlength=VOCABULARY) / 4001
    found = scores(weights(torch.from_numpy(np.log(share)).expand(VOCABULARY, -1)), held)
    surprise = -np.log(share)
    last = held.text[:, 1:].reshape(-1, 4)[:, -1]
    expected = surprise[last].mean() / surprise[held.common[4][:, -1]].mean()
    assert expected > 1.01
    assert abs(found["ngram_4"] - expected) < 1e-4
    assert found["loss_text"] < log(VOCABULARY) - 0.1
    assert found["loss_second_copy"] > found["loss_text"] + 0.3


def test_classes_and_copies(held: Held) -> None:
    repeated, first = held.classes["repeated"], held.classes["first"]
    assert not (repeated & first).any()
    assert repeated.any()
    assert first.any()
    likely = np.argsort(-held.pairs, axis=1, kind="stable")[:, :3]
    for row in range(5):
        sequence = held.text[row].tolist()
        pairs = list(pairwise(sequence))
        for place, (before, after) in enumerate(pairs):
            hard = place > 0 and after not in likely[before]
            assert bool(repeated[row, place]) == (hard and (before, after) in pairs[:place])
            assert bool(first[row, place]) == (hard and (before, after) not in pairs[:place])
    size = int(held.blocks.sizes[0])
    assert held.copies["first_copy"][0].nonzero().flatten().tolist() == list(range(size))
    second = held.copies["second_copy"][0].nonzero().flatten().tolist()
    assert second == list(range(size + 1, 2 * size))

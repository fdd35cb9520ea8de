"""Tokens: nothing is lost, nothing reaches across words, documents stay apart."""

import numpy as np
import pytest

from stagewise.data.corpus import Document
from stagewise.data.tokens import BEGINNING, BEGINNING_TEXT, encoded, trained_tokenizer
from stagewise.settings import SettingsError

TEXT = "The cat sat on the mat; the dog, 1999, sat beside it.\n\n    return cat\n" * 40


def document(domain: str, text: str, held_out: bool = False) -> Document:
    return Document(domain, f"{domain}/{len(text)}", text, held_out)


def test_text_comes_back_and_documents_begin() -> None:
    tokenizer = trained_tokenizer([TEXT], 290, where="corpora.a")
    strange = f"naïve 猫 \x07 and the {BEGINNING_TEXT} of a text"
    documents = [
        document("prose", TEXT),
        document("prose", strange),
        document("code", "x = 1", held_out=True),
    ]
    found = encoded(tokenizer, documents)
    assert found.vocabulary == 290
    assert list(found.train) == ["prose"]
    assert list(found.test) == ["code"]
    stream = found.train["prose"]
    starts = np.flatnonzero(stream == BEGINNING)
    assert len(starts) == 2, "the name of the beginning is text in a text"
    assert starts[0] == 0
    assert tokenizer.decode(stream[1 : starts[1]].tolist()) == TEXT
    assert tokenizer.decode(stream[starts[1] + 1 :].tolist(), skip_special_tokens=False) == strange


def test_no_token_reaches_across_words() -> None:
    tokenizer = trained_tokenizer([TEXT], 290, where="corpora.a")
    tokens = [tokenizer.decode([number]) for number in range(1, 290)]
    assert " cat" in tokens
    for token in tokens:
        assert " " not in token.strip(), token
        assert not (token.strip() and token[-1].isspace()), token


def test_too_little_text_for_the_vocabulary() -> None:
    message = r"corpora\.a\.vocabulary: the training text gives \d+ tokens, not 5000"
    with pytest.raises(SettingsError, match=message):
        trained_tokenizer([TEXT], 5000, where="corpora.a")
    with pytest.raises(SettingsError, match=r"gives 257 tokens, not 100: .* at least 257"):
        trained_tokenizer([TEXT], 100, where="corpora.a")

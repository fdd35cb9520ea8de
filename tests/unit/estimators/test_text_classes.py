"""Classes of tokens of a text, on text that says what they are."""

import numpy as np

from stagewise.estimators.text_classes import TEXT_CLASSES, text_classes

TEXTS = ["<|endoftext|>", " the", "re", "for", "e", "(", ")", " (", "()", "\n    ", " 12", ",", "�"]
TEXTS += ["))", "_", " x", "."]


def classes(*line: str) -> list[str]:
    tokens = np.array([[0, *(TEXTS.index(text) for text in line)]])
    return [TEXT_CLASSES[number] for number in text_classes(tokens, TEXTS)[0]]


def test_every_token_has_its_class() -> None:
    found = classes(" the", "re", "for", "e", "\n    ", "for", "(", " x", "))", " 12", ",")
    assert found == [
        "word start", "word part", "word part", "word end", "space", "word start",
        "left delimiter", "word start", "right delimiter", "number", "punctuation",
    ]  # fmt: skip


def test_a_word_needs_letters_on_both_sides() -> None:
    assert classes("_", "for", "()", "e", "�", "re") == [
        "punctuation", "word start", "punctuation", "word start", "punctuation", "word start",
    ]  # fmt: skip
    assert classes("for", " x", "e", ".") == ["word start", "word start", "word end", "punctuation"]


def test_no_word_ends_with_the_sequence() -> None:
    assert classes("for", "e") == ["word start", "word part"]

"""What piece of a text a token is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TEXT_CLASSES = (
    "word start",
    "word part",
    "word end",
    "number",
    "space",
    "left delimiter",
    "right delimiter",
    "punctuation",
)
"""The first token of a word (a whole word, too); one within it; its last. A token of several
brackets has the side that they share, or is punctuation."""
LEFT, RIGHT = set("([{<"), set(")]}>")


def text_classes(tokens: Array, texts: Sequence[str]) -> Array:
    """Numbers in TEXT_CLASSES (sequence, length) of tokens (sequence, 1 + length) but the first of
    each sequence, from the text of every token of the vocabulary.

    A word goes on from a token that ends with a letter to one that begins with a letter. Where a
    sequence ends no word does.
    """
    kinds = np.array([TEXT_CLASSES.index(_alone(text)) for text in texts])
    begins = np.array([text[:1].isalpha() for text in texts])
    ends = np.array([text[-1:].isalpha() for text in texts])
    found = kinds[tokens[:, 1:]]
    goes_on = begins[tokens[:, 1:]] & ends[tokens[:, :-1]]
    goes_on &= found == TEXT_CLASSES.index("word start")
    followed = np.ones_like(goes_on)
    followed[:, :-1] = begins[tokens[:, 2:]]
    whole = ends[tokens[:, 1:]] & ~followed
    found[goes_on] = TEXT_CLASSES.index("word part")
    found[goes_on & whole] = TEXT_CLASSES.index("word end")
    return found


def _alone(text: str) -> str:
    """The class of a token without its neighbours, its letters taken for a word's first."""
    marks = text.strip()
    if not marks:
        return "space"
    if marks.isdecimal():
        return "number"
    if set(marks) <= LEFT:
        return "left delimiter"
    if set(marks) <= RIGHT:
        return "right delimiter"
    return "word start" if marks[0].isalpha() else "punctuation"

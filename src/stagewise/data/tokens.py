"""Documents as streams of tokens: byte-level byte-pair encoding, learned on the training text.

Text is first cut as for GPT-2 (a space belongs to the word after it), so no token reaches across
words. Every document begins with the token BEGINNING, which no text has.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from stagewise.data.corpus import Document
from stagewise.settings import SettingsError

Array = NDArray[Any]

BEGINNING = 0
BEGINNING_TEXT = "<|endoftext|>"
LEAST_VOCABULARY = 257
"""Every byte, and the beginning."""


@dataclass(frozen=True)
class Tokens:
    """A corpus as tokens."""

    vocabulary: int
    """Number of tokens, BEGINNING among them."""
    train: dict[str, Array]
    """Domain -> stream of its training documents, each after a BEGINNING."""
    test: dict[str, Array]
    """The same of the held-out documents."""


def trained_tokenizer(texts: Iterable[str], vocabulary: int, *, where: str) -> Tokenizer:
    """A tokenizer of `vocabulary` tokens: BEGINNING, the bytes, and the commonest merges.

    Raises SettingsError, naming the corpus at `where` in the configuration, if there is not text
    enough for so many.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BEGINNING_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    found = tokenizer.get_vocab_size()
    if found != vocabulary:
        raise SettingsError(
            f"{where}.vocabulary: the training text gives {found} tokens, not {vocabulary}: take "
            f"more characters a domain or fewer tokens, at least {LEAST_VOCABULARY}"
        )
    return tokenizer


def encoded(tokenizer: Tokenizer, documents: Iterable[Document]) -> Tokens:
    """All documents as streams, in their order."""
    # Text about tokenizers has the name of the beginning in it, which is to be text there.
    tokenizer.encode_special_tokens = True
    of: dict[bool, dict[str, list[Document]]] = {False: {}, True: {}}
    for document in documents:
        of[document.held_out].setdefault(document.domain, []).append(document)
    streams = {
        held_out: {
            domain: _stream(tokenizer, [document.text for document in chosen])
            for domain, chosen in sorted(domains.items())
        }
        for held_out, domains in of.items()
    }
    return Tokens(tokenizer.get_vocab_size(), train=streams[False], test=streams[True])


def _stream(tokenizer: Tokenizer, texts: list[str]) -> Array:
    pieces = [[BEGINNING, *encoding.ids] for encoding in tokenizer.encode_batch_fast(texts)]
    return np.fromiter((token for piece in pieces for token in piece), dtype=np.uint16)

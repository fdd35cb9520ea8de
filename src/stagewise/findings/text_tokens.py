"""Tokens of the text testbed with what is known of each, and their susceptibilities as matrices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.tokens import BEGINNING, Tokens
from stagewise.estimators.ngrams import likely, pair_counts, seen_before
from stagewise.estimators.response_matrix import standardised
from stagewise.estimators.text_classes import text_classes
from stagewise.estimators.text_scores import LIKELY
from stagewise.settings import SettingsError
from stagewise.testbeds.text import Mixed

Array = NDArray[Any]


@dataclass(frozen=True)
class Matrices:
    """What is measured of every token, rows in the order of the sequences."""

    heads: list[str]
    halves: tuple[Array, Array]
    """(token, head) restricted, of each half of the chains."""
    two_chain: Array
    fragility: Array
    """(token,)"""

    @property
    def restricted(self) -> Array:
        """(token, head), columns of deviation one."""
        return standardised((self.halves[0] + self.halves[1]) / 2)


@dataclass(frozen=True)
class Known:
    """What is known of every token."""

    identity: Array
    """(token,) number in the vocabulary."""
    kind: Array
    """(token,) number in TEXT_CLASSES."""
    induction: Array
    """(token,) whether it ends a pair that its window has had, and is not likely else."""
    unforeseen: Array
    """(token,) whether neither holds."""
    sequence: Array
    """(token,)"""

    def rows(self, sequences: Array) -> Array:
        """Numbers of the tokens of these sequences, one after another."""
        length = int((self.sequence == 0).sum())
        return np.asarray((sequences[:, None] * length + np.arange(length)).ravel())


def known_of(text: Mixed, corpus: Tokens, texts: Sequence[str]) -> Known:
    """The tokens of the observable `mixed`, from the corpus and the text of every token of the
    vocabulary."""
    before, after = text.tokens[:, :-1], text.tokens[:, 1:]
    pairs = pair_counts(corpus.train.values(), corpus.vocabulary)
    hard = ~likely(pairs, LIKELY)[before, after] & (before != BEGINNING)
    again = seen_before(text.tokens)
    samples, length = after.shape
    return Known(
        identity=after.ravel(),
        kind=text_classes(text.tokens, texts).ravel(),
        induction=(hard & again).ravel(),
        unforeseen=(hard & ~again).ravel(),
        sequence=np.repeat(np.arange(samples), length),
    )


def matrices_of(found: xr.Dataset, known: Known) -> Matrices:
    """The susceptibilities of one checkpoint; SettingsError if they are of other tokens."""
    heads = [str(name) for name in found["component"].values]

    def flat(array: xr.DataArray) -> Array:
        ordered = array.transpose("sample", "token", ...).values.astype(float)
        return np.asarray(ordered.reshape(-1, *ordered.shape[2:]))

    halves = flat(found["restricted"].transpose(..., "component"))
    if len(halves) != len(known.sequence):
        raise SettingsError(
            f"papers.susceptibilities.text.model: it has {len(known.sequence)} tokens, the "
            f"susceptibilities {len(halves)}"
        )
    return Matrices(
        heads,
        (halves[:, 0], halves[:, 1]),
        flat(found["two_chain"].mean("half").transpose(..., "component")),
        flat(found["fragility"].mean("half")),
    )

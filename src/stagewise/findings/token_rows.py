"""Tables of tokens for the companion pages: each with its text, its place on a map, its numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.data.grammar import SOURCES, Grammar
from stagewise.data.synthetic_language import CLASSES
from stagewise.estimators.response_matrix import standardised
from stagewise.settings import SettingsError, build
from stagewise.testbeds.synthetic_language import Model, mixed

Array = NDArray[Any]

DIGITS = 4
"""Decimals that are kept: maps are looked at."""


@dataclass(frozen=True)
class Described:
    """What a reader sees of the tokens of an observable."""

    texts: list[list[str]]
    """(sample, token)"""
    classes: Array
    """(sample, token) names"""
    sources: list[str]
    """(sample,)"""


def symbols(grammar: Grammar) -> list[str]:
    """A sign for each token of the synthetic language: letters for ordinary ones, digits for keys,
    brackets, a dot for the space of indents and a caret for the beginning."""
    named = [
        *_signs(ascii_letters, grammar.ordinary),
        *_signs("0123456789", grammar.keys),
        *_signs("([{⟨", grammar.brackets),
        *_signs(")]}⟩", grammar.brackets),
    ]
    return [*named, *["·"] * (grammar.beginning - grammar.space), "^"]


def _signs(known: str, count: int) -> list[str]:
    """`count` signs, numbers in angles where there are not enough."""
    return [known[k] if k < len(known) else f"‹{k}›" for k in range(count)]


def described(model: Mapping[str, Any], where: str) -> Described:
    """The observable `mixed` of the synthetic language, from the testbed's own settings, which
    stand at `where` in the configuration."""
    text, signs = mixed(dict(model)), symbols(build(Model, dict(model), where).grammar)
    return Described(
        texts=[[signs[token] for token in row[1:]] for row in text.tokens],
        classes=np.array(CLASSES)[text.classes],
        sources=[SOURCES[source] for source in text.sources],
    )


def columns(found: xr.Dataset, name: str) -> Array:
    """(token, component) of one checkpoint: a susceptibility, the mean of both halves, every column
    in standard deviations over tokens."""
    mean = found[name].mean("half").transpose("sample", "token", "component")
    return standardised(mean.values.reshape(-1, mean.sizes["component"]).astype(float))


def token_rows(
    tokens: Described, values: Array, components: list[str], places: Array, *, step: int
) -> pd.DataFrame:
    """One row per token, as `figures.companion` reads them.

    values   (token, component) and places (token, 2), tokens in the order of `tokens`
    Raises SettingsError if there are not as many.
    """
    samples, length = tokens.classes.shape
    if len(values) != samples * length or len(places) != samples * length:
        raise SettingsError(
            f"model: it has {samples * length} tokens, the susceptibilities {len(values)}"
        )
    numbers = np.column_stack([places, values]).round(DIGITS)
    return pd.DataFrame(
        {
            "step": step,
            "sample": np.repeat(np.arange(samples), length),
            "token": np.tile(np.arange(length), samples),
            "text": [json.dumps(text) for row in tokens.texts for text in row],
            "class": tokens.classes.ravel(),
            "source": np.repeat(tokens.sources, length),
            **dict(zip(["x", "y", *components], numbers.T, strict=True)),
        }
    )

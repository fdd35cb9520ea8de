"""Tokens of the synthetic language by pattern, and matrices of their susceptibilities."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from stagewise.data.synthetic_language import CLASSES
from stagewise.estimators.counted_runs import run_lengths
from stagewise.estimators.resampled_sequences import sequence_weights
from stagewise.estimators.response_matrix import (
    factor_to_reach,
    reliability,
    standardised,
    without,
)
from stagewise.estimators.separability import neighbour_labels
from stagewise.findings.measured import Measured
from stagewise.settings import SettingsError
from stagewise.testbeds.synthetic_language import mixed

Array = NDArray[np.float64]

PATTERNS = {
    "bigram": ("markov", "background"),
    "unforeseen": ("first copy", "second start"),
    "induction": ("repeated",),
    "key": ("key",),
    "rule": ("triggered",),
    "opening": ("opening",),
    "closing": ("closing",),
    "spacing": ("space",),
    "word": ("word",),
}
"""Patterns, by what foretells a token -> classes of the language."""
NAMES = tuple(PATTERNS)
MATRICES = ("two_chain", "restricted", "residual")
"""The two-chain estimator, the restricted covariance, and the two-chain estimator less what the
fragility of tokens explains of each column."""
HEAD = re.compile(r"\d+:\d+")


@dataclass(frozen=True)
class Tokens:
    """What is known of the tokens of the probes, in the order of sequences."""

    pattern: NDArray[np.int64]
    """(token,) number in NAMES"""
    sequence: NDArray[np.int64]
    """(token,) number of its sequence"""
    source: NDArray[np.int64]
    """(sequence,) number of its source"""
    run: NDArray[np.int64]
    """(token,) spacing tokens directly before it"""

    def of(self, name: str) -> NDArray[np.bool_]:
        """(token,) whether a token is of that pattern."""
        return np.asarray(self.pattern == NAMES.index(name))

    def weights(self, *, repeats: int, seed: int) -> Array:
        """(repeat, token) how often a token counts in a bootstrap by sequence within sources."""
        drawn = sequence_weights(self.source, repeats=repeats, seed=seed)
        return np.asarray(drawn[:, self.sequence])


def tokens_of(found: xr.Dataset, model: Mapping[str, Any]) -> Tokens:
    """The tokens of the observable `mixed` of a model, which a file of susceptibilities is of;
    SettingsError if it is of others."""
    text = mixed(dict(model))
    shape = (found.sizes["sample"], found.sizes["token"])
    if text.classes.shape != shape:
        raise SettingsError(f"mixed: {shape} tokens, expected {text.classes.shape}")
    number = {name: place for place, names in enumerate(PATTERNS.values()) for name in names}
    pattern = np.array([number[name] for name in CLASSES])[text.classes]
    return Tokens(
        pattern=pattern.ravel(),
        sequence=np.repeat(np.arange(shape[0]), shape[1]),
        source=np.asarray(text.sources),
        run=run_lengths(pattern == NAMES.index("spacing")).ravel(),
    )


def heads(found: xr.Dataset) -> list[str]:
    """Names of the components that are single heads."""
    return [str(name) for name in found["component"].values if HEAD.fullmatch(str(name))]


def flat(values: xr.DataArray) -> Array:
    """(..., token) of values (..., sample, token), halves averaged where there are any."""
    mean = values.mean("half") if "half" in values.dims else values
    return np.asarray(mean.stack(each=("sample", "token")).values, dtype=np.float64)


def matrices(found: xr.Dataset) -> dict[str, Array]:
    """name of MATRICES -> susceptibilities (token, head) at the one checkpoint of `found`, each
    column with mean 0 and deviation 1."""
    chosen = heads(found)
    columns = {
        name: flat(found[name].sel(component=chosen)).T for name in ("two_chain", "restricted")
    }
    columns["residual"] = without(columns["two_chain"], flat(found["fragility"]))
    return {name: standardised(columns[name]) for name in MATRICES}


def guessed(features: Array, tokens: Tokens, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pattern that neighbours in other sequences give to each of the tokens at `places`, from
    features (token, feature) of all tokens."""
    return neighbour_labels(features[places], tokens.pattern[places], tokens.sequence[places])


def interval(value: float, resampled: ArrayLike, n: int, *, level: float = 0.9) -> Measured:
    """A statistic with the percentile interval of its values on resampled text."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(np.asarray(resampled, dtype=float), [tail, 1 - tail])
    return Measured(float(value), float(low), float(high), n=n)


def agreement(found: xr.Dataset) -> Array:
    """Reliability of each head's restricted column at the one checkpoint of `found`, (head,)."""
    halves = [flat(found["restricted"].sel(component=heads(found)).isel(half=[k])) for k in (0, 1)]
    return np.asarray(reliability(halves[0].T, halves[1].T), dtype=np.float64)


def unreliable(found: xr.Dataset, *, least: float = 0.5) -> str:
    """A doubt where the median `agreement` of the heads is below `least`, else empty."""
    median = float(np.median(agreement(found)))
    if median >= least:
        return ""
    return (
        f"halves of the draws correlate by {median:.2f} (median over heads), below {least}: about "
        f"{factor_to_reach(median, least):.1f} times as many draws would decide"
    )

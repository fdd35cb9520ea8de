"""Claim C5: an appendage of spacing tokens, in the order of how many came before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.counted_runs import direction, foretold, share_within
from stagewise.estimators.neighbourhoods import purity
from stagewise.estimators.response_matrix import principal_components
from stagewise.findings.measured import Measured, doubtful, mean_of, rank_correlation
from stagewise.findings.token_patterns import (
    MATRICES,
    Tokens,
    flat,
    interval,
    matrices,
    tokens_of,
    unreliable,
)
from stagewise.settings import build

Array = NDArray[np.float64]

NEIGHBOURS = 15
RIVALS = (("loss", "loss_at_centre"), ("fragility", "fragility"))
"""Single numbers of a token that might do as well -> where they stand."""
BODY = (0, 1, 2)
"""Axes in which the paper does not see the fin."""


@dataclass(frozen=True)
class Settings:
    """What belongs to the fin, and how uncertainty is found."""

    model: dict[str, Any]
    run: int
    """Spacing tokens before a spacing token of the fin, at least."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """How well the length of a run of spacing tokens can be read off.

    inputs   susceptibilities of every seed at its `end`, and of the first `along` training, the
             untrained network first
    returns  rows of kind token (spacing tokens of the first seed: run, foretold, of the restricted
             matrix), of kind fin (by seed and matrix: the numbers below), of kind run (by seed: the
             correlation, from the loss or fragility of a token alone) and of kind curve (by matrix
             and step: the correlation). Statistics, of the restricted matrix or as `_two_chain` and
             `_residual`, means over seeds:
               fin_correlation    Spearman's, of run lengths true and foretold by a ridge regression
                                  on other sequences
               fin_gain           less that of the untrained network, first seed, over sequences
               fin_purity         of the 15 nearest neighbours of spacing tokens with long runs
                                  (`neighbourhoods.purity`)
               fin_share          share of the functional's variance within the first three axes
               fin_beyond         fin_correlation without the first three axes
               fin_within         that of the first three axes alone
               fin_inside         fin_correlation among tokens behind one spacing token at least
               fin_above_loss     fin_correlation less that of the loss of a token alone
               fin_above_fragility    less that of its fragility
    """
    wanted = build(Settings, settings, "papers.embryology.fin")
    ends = [one.isel(checkpoint=-1) for one in inputs["end"]]
    along = inputs["along"][0]
    path = [along.isel(checkpoint=place) for place in range(along.sizes["checkpoint"])]
    tokens = tokens_of(ends[0], wanted.model)
    doubt = next(filter(None, map(unreliable, ends)), "")
    alone = [
        {rival: _correlation(flat(end[of])[:, None], tokens) for rival, of in RIVALS}
        for end in ends
    ]
    tables = [_spacing(ends[0], tokens)]
    tables += [
        _numbers("run", one).assign(seed=end.attrs["seed"])
        for one, end in zip(alone, ends, strict=True)
    ]
    found: dict[str, Measured] = {}
    for name in MATRICES:
        suffix = "" if name == "restricted" else f"_{name}"
        hidden = "" if name == "two_chain" else doubt
        parts = []
        for end, rivals in zip(ends, alone, strict=True):
            own = _fin(matrices(end)[name], tokens, wanted.run)
            own |= {f"above_{rival}": own["correlation"] - value for rival, value in rivals.items()}
            parts.append(own)
            tables.append(_numbers("fin", own).assign(matrix=name, seed=end.attrs["seed"]))
        numbers = {key: mean_of([one[key] for one in parts]) for key in parts[0]}
        numbers["gain"] = _gain(ends[0], path[0], name, tokens, wanted.bootstrap)
        found |= {
            f"fin_{key}{suffix}": doubtful(number, number.doubt or hidden)
            for key, number in numbers.items()
        }
        curve = [_correlation(matrices(one)[name], tokens) for one in path]
        steps = [int(one["step"]) for one in path]
        rows = pd.DataFrame({"kind": "curve", "matrix": name, "step": steps, "value": curve})
        tables.append(rows.assign(seed=along.attrs["seed"]))
    return pd.concat(tables, ignore_index=True), found


def _numbers(kind: str, values: Mapping[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"kind": kind, "name": values.keys(), "value": values.values()})


def _read(columns: Array, tokens: Tokens, *, least: int = 0) -> tuple[Array, Array]:
    """Run lengths of the spacing tokens, foretold and true, of those that are not below `least`."""
    spacing = tokens.of("spacing") & (tokens.run >= least)
    lengths = tokens.run[spacing].astype(np.float64)
    return foretold(columns[spacing], lengths, tokens.sequence[spacing]), lengths


def _correlation(columns: Array, tokens: Tokens) -> float:
    return rank_correlation(*_read(columns, tokens))


def _fin(columns: Array, tokens: Tokens, least: int) -> dict[str, float]:
    """The numbers of one matrix (token, head)."""
    spacing = tokens.of("spacing")
    member = spacing & (tokens.run >= least)
    _, scores, _ = principal_components(columns)
    functional = direction(columns[spacing], tokens.run[spacing])
    return {
        "correlation": _correlation(columns, tokens),
        "inside": rank_correlation(*_read(columns, tokens, least=1)),
        "within": _correlation(scores[:, list(BODY)], tokens),
        "beyond": _correlation(scores[:, len(BODY) :], tokens),
        "share": share_within(columns, functional, BODY),
        "purity": purity(columns, member, tokens.sequence, NEIGHBOURS),
    }


def _spacing(end: xr.Dataset, tokens: Tokens) -> pd.DataFrame:
    """Spacing tokens of one seed: run lengths, true and foretold from the restricted matrix."""
    guess, lengths = _read(matrices(end)["restricted"], tokens)
    rows = {"kind": "token", "run": lengths, "foretold": guess, "matrix": "restricted"}
    return pd.DataFrame(rows).assign(seed=end.attrs["seed"])


def _gain(
    end: xr.Dataset, start: xr.Dataset, name: str, tokens: Tokens, bootstrap: int
) -> Measured:
    """Correlation at the end less that at the start, over resampled sequences."""
    spacing = tokens.of("spacing")
    weights = tokens.weights(repeats=bootstrap, seed=0)[:, spacing].astype(int)
    pairs = [_read(matrices(one)[name], tokens) for one in (end, start)]

    def gain(counts: NDArray[np.int64]) -> float:
        values = [rank_correlation(*(np.repeat(side, counts) for side in pair)) for pair in pairs]
        return values[0] - values[1]

    once = np.ones(int(spacing.sum()), dtype=np.int64)
    return interval(gain(once), [gain(row) for row in weights], len(tokens.source))

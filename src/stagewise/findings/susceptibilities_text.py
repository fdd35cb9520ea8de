"""Susceptibilities of tokens of real text, and of its domains as the paper's probes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from stagewise.data.tokens import Tokens
from stagewise.estimators.response_matrix import (
    factor_to_reach,
    principal_components,
    reliability,
    standardised,
)
from stagewise.estimators.text_classes import TEXT_CLASSES
from stagewise.findings.measured import Measured, bootstrap, doubtful, exact
from stagewise.findings.text_probes import Probes, outlier, over_random, probe_rows
from stagewise.findings.text_tokens import Known, Matrices, known_of, matrices_of
from stagewise.settings import build
from stagewise.testbeds.text import Mixed, mixed

Array = NDArray[Any]

RELIABLE = 0.5
"""Median correlation of the halves below which restricted numbers decide nothing."""
AXES = 3
"""Of the restricted matrix, of which the one that tells induction tokens best is taken."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, and how uncertainty is found."""

    model: dict[str, Any]
    bootstrap: int
    permutations: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Patterns of text in the matrix of responses.

    inputs   `susceptibilities` of the observable `mixed` and `behaviour` of the first seed,
             `tokens` of the corpus and the texts of its `vocabulary`
    returns  rows of kind token (sample, token, text, class, induction, source, and a column a head:
             restricted, in standard deviations), head (head, reliability, rise, scores, loading on
             the first axes of the text's tokens), class (head, class, mean of its tokens of text),
             probe (head, domain, mean less the base's, in standard deviations of a token, with its
             interval). Statistics `text_...` as the page says, of the sequences that are no blocks
             but for probes and reliability; intervals resample sequences
    """
    wanted = build(Settings, settings, "papers.susceptibilities.text")
    found = inputs["susceptibilities"][0].isel(checkpoint=-1)
    behaviour = inputs["behaviour"][0]
    corpus, texts = inputs["tokens"][0], inputs["vocabulary"][0]
    text = mixed(wanted.model, corpus)
    known = known_of(text, corpus, texts)
    matrices = matrices_of(found, known)
    scores = behaviour[behaviour["step"] == int(found["step"])].iloc[0]
    circuit = _circuit(matrices.heads, scores)
    reliable = reliability(*matrices.halves)
    rise = found["rise"].mean("half").values

    written = np.flatnonzero(text.sizes == 0)  # blocks are a probe, but no text

    def of_sequences(chosen: Array) -> dict[str, float]:
        return _numbers(matrices, known, circuit, scores, known.rows(written[chosen]))

    measured = _bootstrapped(of_sequences, len(written), wanted.bootstrap)
    measured["context"] = _jackknife(
        lambda chosen: _within_identity(matrices, known, known.rows(written[chosen])), len(written)
    )
    probes = Probes(matrices.restricted, np.array(text.kinds)[known.sequence], known.sequence)
    base = _base(corpus, wanted.model)
    measured |= {
        "reliability": exact(float(np.median(reliable)), len(reliable)),
        "greatest_rise": exact(float(rise.max()), len(rise)),
        "least_rise": exact(float(rise.min()), len(rise)),
        "domains": over_random(probes, base, permutations=wanted.permutations, seed=0),
        "outlier_class": outlier(probes, base, known.kind, repeats=wanted.bootstrap, seed=0),
    }
    doubt = _doubt(float(np.median(reliable)))
    gated = ("induction", "circuit", "previous_head", "induction_head", "unforeseen", "context")
    measured |= {name: doubtful(measured[name], doubt) for name in gated}
    named = {f"text_{name}": number for name, number in measured.items()}
    rows = known.rows(written)
    named["control_text_induction"] = exact(
        _by_chance(matrices.restricted[rows], known.induction[rows], wanted.permutations)
    )
    table = pd.concat(
        [
            _token_rows(matrices, known, text, texts),
            _head_rows(matrices, reliable, rise, scores, rows),
            _class_rows(matrices, known, rows),
            probe_rows(probes, base, matrices.heads, repeats=wanted.bootstrap, seed=0),
        ],
        ignore_index=True,
    )
    return table, named


def _circuit(heads: Sequence[str], scores: "pd.Series[Any]") -> Array:
    """(head,) whether a head of the first layer looks at the token before, or one of the second at
    what came after the same token, more than the median of its layer."""
    found = np.zeros(len(heads), dtype=bool)
    for layer, name in (("0", "previous_token"), ("1", "prefix")):
        own = [place for place, head in enumerate(heads) if head.startswith(f"{layer}:")]
        values = np.array([float(scores[f"{name} {heads[place]}"]) for place in own])
        found[own] = values > np.median(values)
    return found


def _numbers(
    matrices: Matrices, known: Known, circuit: Array, scores: "pd.Series[Any]", rows: Array
) -> dict[str, float]:
    """All statistics that tokens are averaged for, of some of the tokens."""
    induction, unforeseen = known.induction[rows], known.unforeseen[rows]
    first = principal_components(matrices.two_chain[rows])
    score = first.scores[:, 0]
    turned = roc_auc_score(induction, score)
    score = score if turned >= 0.5 else -score
    positive = float((first.loadings[:, 0] > 0).mean())
    restricted = matrices.restricted[rows]
    axes = principal_components(standardised(restricted))
    told = _told(axes.scores, induction)
    size = np.abs(axes.loadings[:, int(np.argmax(told))])
    means = restricted[induction].mean(0)
    second = [circuit[k] and head.startswith("1:") for k, head in enumerate(matrices.heads)]
    looks = {head: float(scores[f"previous_token {head}"]) for head in matrices.heads}
    previous = matrices.heads.index(max(looks, key=looks.__getitem__))
    return {
        "first_share": float(first.shares[0]),
        "fragility": float(np.corrcoef(score, matrices.fragility[rows])[0, 1] ** 2),
        "same_sign": max(positive, 1 - positive),
        "first_induction": max(turned, 1 - turned),
        "segmentation": _segmentation(score, known.kind[rows], induction),
        "induction": float(told.max()),
        "circuit": float(size[circuit].mean() / size[~circuit].mean()),
        "previous_head": float(means[previous]),
        "induction_head": float(means[second].min()),
        "unforeseen": float((restricted[unforeseen].mean(0) >= 0).mean()),
    }


def _told(scores: Array, chosen: Array) -> Array:
    """(axis,) how well each of the first axes tells the chosen tokens: area under the curve, folded
    above one half."""
    areas = np.array([roc_auc_score(chosen, scores[:, axis]) for axis in range(AXES)])
    return np.maximum(areas, 1 - areas)


def _segmentation(score: Array, kind: Array, induction: Array) -> float:
    def among(*names: str) -> Array:
        return np.isin(kind, [TEXT_CLASSES.index(name) for name in names])

    inside = among("word part", "word end", "right delimiter") | induction
    outside = among("word start", "space") & ~induction
    either = inside | outside
    return float(roc_auc_score(inside[either], score[either]))


def _within_identity(matrices: Matrices, known: Known, rows: Array) -> float:
    """Median over heads of the share of the halves' covariance that is within tokens of one
    identity."""
    first, second = (half[rows] - half[rows].mean(0) for half in matrices.halves)
    identity = pd.Series(known.identity[rows])
    apart = [half - pd.DataFrame(half).groupby(identity).transform("mean").to_numpy() for half in
             (first, second)]  # fmt: skip
    # Subtracting means of few tokens takes some of what is within: each identity's own degrees.
    counts = identity.groupby(identity).transform("size").to_numpy()
    weight = np.where(counts > 1, counts / np.maximum(counts - 1, 1), np.nan)
    repeated = counts > 1
    within = np.nanmean((apart[0] * apart[1] * weight[:, None])[repeated], axis=0)
    total = (first * second)[repeated].mean(0)
    return float(np.median(within / total))


def _bootstrapped(numbers: Any, units: int, repeats: int) -> dict[str, Measured]:
    """Every number with its interval, all from the same resamples."""
    drawn: list[dict[str, float]] = []

    def noted(chosen: Array) -> float:
        drawn.append(numbers(chosen))
        return 0.0

    bootstrap(noted, units, seed=0, repeats=repeats)
    value, again = drawn[0], pd.DataFrame(drawn[1:])
    low, high = again.quantile(0.05), again.quantile(0.95)
    return {name: Measured(value[name], low[name], high[name], n=units) for name in value}


def _jackknife(statistic: Callable[[Array], float], units: int) -> Measured:
    """A number with its interval from leaving out each unit: for one that repeated tokens would
    change, as resampled ones are."""
    every = np.arange(units)
    left = np.array([statistic(np.delete(every, unit)) for unit in every])
    error = float(np.sqrt((units - 1) * left.var()))
    half = float(student.ppf(0.95, units - 1)) * error
    value = statistic(every)
    return Measured(value, value - half, value + half, n=units)


def _doubt(median: float) -> str:
    if median >= RELIABLE:
        return ""
    factor = factor_to_reach(median, RELIABLE)
    return (
        f"halves of the draws correlate by {median:.2f}, below {RELIABLE}: {factor:.1f} times as "
        f"many draws would decide"
    )


def _by_chance(restricted: Array, induction: Array, permutations: int) -> float:
    random = np.random.default_rng(0)
    scores = principal_components(standardised(restricted)).scores
    found = [_told(scores, random.permutation(induction)).max() for _ in range(permutations)]
    return float(np.mean(found))


def _base(corpus: Tokens, model: Mapping[str, Any]) -> dict[str, float]:
    """Kind of sequence -> its share of the training."""
    blocks = float(model.get("block_share", 0.3))
    sizes = {name: len(stream) for name, stream in corpus.train.items()}
    whole = sum(sizes.values())
    return {name: (1 - blocks) * size / whole for name, size in sizes.items()} | {"blocks": blocks}


def _token_rows(
    matrices: Matrices, known: Known, text: Mixed, texts: Sequence[str]
) -> pd.DataFrame:
    length = text.tokens.shape[1] - 1
    return pd.DataFrame(
        {
            "kind": "token",
            "sample": known.sequence,
            "token": np.tile(np.arange(length), len(text.tokens)),
            "text": [json.dumps(texts[token]) for token in known.identity],
            "class": np.array(TEXT_CLASSES)[known.kind],
            "induction": known.induction.astype(int),
            "source": np.array(text.kinds)[known.sequence],
            **dict(zip(matrices.heads, matrices.restricted.T.round(4), strict=True)),
        }
    )


def _head_rows(
    matrices: Matrices, reliable: Array, rise: Array, scores: "pd.Series[Any]", rows: Array
) -> pd.DataFrame:
    axes = principal_components(standardised(matrices.restricted[rows]))
    return pd.DataFrame(
        {
            "kind": "head",
            "head": matrices.heads,
            "reliability": reliable,
            "rise": rise,
            **{
                name: [float(scores[f"{name} {head}"]) for head in matrices.heads]
                for name in ("previous_token", "prefix")
            },
            **{f"axis{axis + 1}": axes.loadings[:, axis] for axis in range(AXES)},
        }
    )


def _class_rows(matrices: Matrices, known: Known, rows: Array) -> pd.DataFrame:
    classes = {name: known.kind[rows] == k for k, name in enumerate(TEXT_CLASSES)}
    classes |= {"induction": known.induction[rows], "unforeseen": known.unforeseen[rows]}
    restricted = matrices.restricted[rows]
    return pd.DataFrame(
        [
            {"kind": "class", "class": name, "head": head, "value": value, "count": chosen.sum()}
            for name, chosen in classes.items()
            if chosen.any()
            for head, value in zip(matrices.heads, restricted[chosen].mean(0), strict=True)
        ]
    )

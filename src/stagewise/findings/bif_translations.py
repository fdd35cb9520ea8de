"""Part C of figure 10: do posterior correlations of tokens tell translations?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import rankdata

from stagewise.estimators.token_correlations import word_correlations
from stagewise.findings.measured import Measured, bootstrap, doubtful, not_stationary
from stagewise.settings import build
from stagewise.testbeds import bilingual

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What was sampled, and how often it is resampled."""

    models: dict[str, dict[str, Any]]
    """Of the testbed, by the name of the input."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Correlations of words of the first language with words of the second, means over tokens.

    inputs   related, unrelated: draws with traces of the losses of `text`, one of each seed, of
             corpora whose translations have the same contexts and others
    returns  one row per corpus (related, permuted: the same with permuted draws, unrelated), seed
             and pair of words. Statistics, means over seeds, concepts resampled:
               translation_auc     probability that a translation has a higher correlation than
                                   another pair
               translation_excess  difference of their mean correlations
               permuted_auc, unrelated_auc  controls
    """
    wanted = build(Settings, settings, "papers.bif.translations")
    random = np.random.default_rng(0)
    found = {
        "related": [_correlations(draws, wanted.models["related"]) for draws in inputs["related"]],
        "permuted": [
            _correlations(draws, wanted.models["related"], random) for draws in inputs["related"]
        ],
        "unrelated": [
            _correlations(draws, wanted.models["unrelated"]) for draws in inputs["unrelated"]
        ],
    }
    doubt = not_stationary([float(draws.rhat.squeeze()) for draws in inputs["related"]])

    def resampled(corpus: str, statistic: Callable[[Array, Array], float]) -> Measured:
        def of(chosen: NDArray[Any]) -> float:
            return float(np.mean([statistic(*_split(one, chosen)) for one in found[corpus]]))

        return bootstrap(of, len(found[corpus][0]), seed=0, repeats=wanted.bootstrap)

    statistics = {
        "translation_auc": doubtful(resampled("related", _auc), doubt),
        "translation_excess": doubtful(resampled("related", _excess), doubt),
        "permuted_auc": resampled("permuted", _auc),
        "unrelated_auc": resampled("unrelated", _auc),
    }
    table = pd.concat(
        [
            _rows(matrix, corpus, draws.attrs["seed"])
            for corpus, matrices in found.items()
            for matrix, draws in zip(
                matrices, inputs["unrelated" if corpus == "unrelated" else "related"], strict=True
            )
        ],
        ignore_index=True,
    )
    return table, statistics


def _correlations(
    draws: xr.Dataset, settings: dict[str, Any], random: np.random.Generator | None = None
) -> Array:
    """(concept, concept) of words of the two languages; with `random`, of permuted draws."""
    testbed = bilingual.build(settings, draws.attrs["seed"])
    languages = build(bilingual.Model, settings, "papers.bif.translations.models").languages
    tokens = testbed.observables["text"].data["tokens"].numpy()[:, 1:]
    chosen = np.zeros(tokens.shape, dtype=bool)
    chosen[:, 3::2] = True  # content words but the first, which has no context
    losses = draws.text_loss.values[0, 0][:, :, chosen]
    if random is not None:
        losses = random.permuted(losses, axis=1)
    first, second = languages.words(0), languages.words(1)
    numbers = np.full(languages.vocabulary, -1)
    numbers[np.concatenate([first, second])] = np.arange(2 * languages.concepts)
    found = word_correlations(
        losses, numbers[tokens[chosen]], np.nonzero(chosen)[0], count=2 * languages.concepts
    )
    return found[: languages.concepts, languages.concepts :]


def _split(matrix: Array, concepts: NDArray[Any]) -> tuple[Array, Array]:
    """Correlations of the translations of some concepts, and of all other pairs of these."""
    picked = matrix[np.ix_(concepts, concepts)]
    same = concepts[:, None] == concepts[None, :]
    own, others = np.diagonal(picked), picked[~same]
    return own[np.isfinite(own)], others[np.isfinite(others)]


def _auc(own: Array, others: Array) -> float:
    ranks = rankdata(np.concatenate([own, others]))[: len(own)]
    return float((ranks.mean() - (len(own) + 1) / 2) / len(others))


def _excess(own: Array, others: Array) -> float:
    return float(own.mean() - others.mean())


def _rows(matrix: Array, corpus: str, seed: int) -> pd.DataFrame:
    first, second = np.indices(matrix.shape)
    return pd.DataFrame(
        {
            "corpus": corpus,
            "seed": seed,
            "first": first.ravel(),
            "second": second.ravel(),
            "translation": (first == second).ravel(),
            "correlation": matrix.ravel(),
        }
    )

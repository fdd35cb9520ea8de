"""Claims C3 to C7, C9 and C10: susceptibilities of heads to tokens of known classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.response_matrix import without
from stagewise.estimators.separation import folded_auc
from stagewise.findings.measured import Measured, doubtful, exact, mean_of
from stagewise.findings.susceptibilities_matrices import (
    Chosen,
    Matrices,
    Tokens,
    above_median,
    circuit_scores,
    column_reliability,
    draws_of_a_head,
    gate,
    matrices,
    over_sequences,
    tokens,
)
from stagewise.findings.susceptibilities_model import INDUCTION, Model, by_place, loadings
from stagewise.findings.susceptibilities_tables import (
    axis_table,
    class_table,
    head_table,
    token_table,
)
from stagewise.settings import build
from stagewise.testbeds.synthetic_language import mixed

Array = NDArray[np.float64]

GATED = (
    "pc_auc", "pc_auc_gain", "loadings", "previous_token", "previous_token_early",
    "induction_head", "first_copy", "closing_auc", "space_excess", "context", "context_growth",
)  # fmt: skip
"""Statistics that say nothing unless the restricted columns are reliable."""
CONTROLS = ("pc_auc_gain", "previous_token_early")
"""Those that those of the control must be reliable for, too."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, to know the tokens again, and sizes."""

    model: dict[str, Any]
    bootstrap: int
    shown: int
    """Tokens of the first model in the table, for the figure."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Response matrices of language models, at the end of training and before induction.

    inputs   per seed: susceptibilities at the end (`response`) and before induction (`early`), the
             draws of both (`draws`, `early_draws`) and `behaviour`
    returns  rows of kind `head`, `axis`, `class`, `token` (`susceptibilities_tables`). Statistics,
             `language_` and then
               reliability, early_reliability   of half of the chains, median over restricted
                                     columns, least over seeds
               two_chain_reliability the same of two-chain columns
               coupled_over_plain    reliability less that of the plain covariance of the same
                                     chains, median over columns, least over seeds
               rise_least, rise_greatest   E_C[g] of a head, over heads and seeds, nats
               column_mean           greatest mean of a column over its standard deviation
               pc1_share, pc1_share_<layer>   of the centred two-chain matrix, mean over seeds
               pc1_fragility         squared correlation of that score with fragility, likewise
               pc1_minority          heads whose loading has the rarer sign, most over seeds
               pc1_auc, pc1_auc_early   of induction tokens, folded, median over seeds
               two_chain_positive    share of heads whose two-chain mean of induction tokens is
                                     above that of all, least over seeds
               pc_auc, pc_auc_early  best of PC1 to PC3 of the restricted matrix, z-scored, likewise
               pc_auc_gain           pc_auc less that before induction, median over seeds
               without_fragility_auc best of PC1 to PC3 of the two-chain matrix with fragility
                                     regressed out of each column, z-scored
               loadings              on that PC, mean size of heads with an above-median score less
                                     that of the others, median over seeds
               previous_token        z-scored restricted mean of induction tokens, head of the
                                     greatest previous-token score, median over seeds; _early
               induction_head        the same, least over later heads of above-median prefix score
               first_copy            share of heads whose mean of unforeseen tokens is not negative
               closing_auc           best of PC2 to PC4 of the restricted matrix, closing brackets
               space_excess          of the head that stands out most on indents: share of its sum
                                     there that is of spaces, less the spaces' share of the tokens
               context               correlation of two halves of what the token and the one before
                                     do not explain, median over later heads and seeds
               context_growth        size of later heads' response to chain tokens behind place 10,
                                     over that before, heads of below-median score, over seeds
    """
    wanted = build(Settings, settings, "papers.susceptibilities.language")
    known = tokens(mixed(wanted.model))
    late = [matrices(found, known) for found in inputs["response"]]
    early = [matrices(found, known) for found in inputs["early"]]
    scores = [
        circuit_scores(behaviour, int(found["step"][0]), run.heads)
        for behaviour, found, run in zip(inputs["behaviour"], inputs["response"], late, strict=True)
    ]
    models = [Model(run, known, score) for run, score in zip(late, scores, strict=True)]
    before = [Model(run, known, score) for run, score in zip(early, scores, strict=True)]
    found = {
        **_reliabilities(late, early, known, wanted.bootstrap),
        **_local(late),
        **_shares(models),
        **_separations(models, before, wanted.bootstrap),
        **_classes(models, before, wanted.bootstrap),
        "loadings": loadings(models, wanted.bootstrap),
    }
    doubt = gate(late, draws_of_a_head(inputs["draws"][0]))
    early_doubt = gate(early, draws_of_a_head(inputs["early_draws"][0]))
    for name in GATED:
        found[name] = doubtful(found[name], doubt or (early_doubt if name in CONTROLS else ""))
    seeds = [int(one.attrs["seed"]) for one in inputs["response"]]
    table = pd.concat(
        [
            *(
                head_table(model, when, seed)
                for when, group in (("end", models), ("early", before))
                for model, seed in zip(group, seeds, strict=True)
            ),
            *(
                axis_table(model, when, seed)
                for when, group in (("end", models), ("early", before))
                for model, seed in zip(group, seeds, strict=True)
            ),
            *(class_table(model, seed) for model, seed in zip(models, seeds, strict=True)),
            token_table(models[0], wanted.shown),
        ],
        ignore_index=True,
    )
    return table, {f"language_{name}": number for name, number in found.items()}


def _reliabilities(
    late: Sequence[Matrices], early: Sequence[Matrices], known: Tokens, repeats: int
) -> dict[str, Measured]:
    def least(values: Sequence[Array]) -> float:
        return min(float(np.median(each)) for each in values)

    def of(chosen: Chosen) -> dict[str, float]:
        restricted = [column_reliability(run.restricted[:, chosen]) for run in late]
        plain = [column_reliability(run.covariance[:, chosen]) for run in late]
        return {
            "reliability": least(restricted),
            "early_reliability": least(
                [column_reliability(run.restricted[:, chosen]) for run in early]
            ),
            "two_chain_reliability": least(
                [column_reliability(run.two_chain[:, chosen]) for run in late]
            ),
            "coupled_over_plain": least(
                [one - other for one, other in zip(restricted, plain, strict=True)]
            ),
        }

    return over_sequences(of, known, repeats)


def _local(runs: Sequence[Matrices]) -> dict[str, Measured]:
    """Whether chains stay near a minimum."""
    rises = np.concatenate([run.rise for run in runs])
    columns = [
        matrix.mean(0) for run in runs for matrix in (run.restricted, run.two_chain)
    ]  # (token, head)
    means = [float((np.abs(c.mean(0)) / c.std(0)).max()) for c in columns]
    return {
        "rise_least": exact(float(rises.min()), len(rises)),
        "rise_greatest": exact(float(rises.max()), len(rises)),
        "column_mean": exact(max(means), len(means)),
    }


def _shares(models: Sequence[Model]) -> dict[str, Measured]:
    layers = np.unique(models[0].run.layers)
    return {
        "pc1_share": mean_of([model.two_chain.shares[0] for model in models]),
        **{
            f"pc1_share_{layer}": mean_of([model.share_of_layer(layer) for model in models])
            for layer in layers.tolist()
        },
        "pc1_fragility": mean_of([model.fragility_share for model in models]),
        "pc1_minority": exact(
            max(
                int(min((loading > 0).sum(), (loading < 0).sum()))
                for loading in (model.two_chain.loadings[:, 0] for model in models)
            ),
            len(models),
        ),
    }


def _separations(
    models: Sequence[Model], before: Sequence[Model], repeats: int
) -> dict[str, Measured]:
    """How well axes, found once, tell classes of resampled tokens."""
    known = models[0].known
    induction, closing = (known.classes == name for name in (INDUCTION, "closing"))
    regressed = [
        Model.axes_of(without(run.two_chain.mean(0), run.fragility.mean(0)))
        for run in (model.run for model in models)
    ]

    def best(scores: Array, label: NDArray[np.bool_], chosen: Chosen, first: int) -> float:
        return max(
            folded_auc(scores[chosen, place], label[chosen]) for place in range(first, first + 3)
        )

    def of(chosen: Chosen) -> dict[str, float]:
        late, early = (
            np.array([best(m.restricted.scores, induction, chosen, 0) for m in group])
            for group in (models, before)
        )
        two_late, two_early = (
            [best_of_first(m.two_chain.scores, chosen) for m in group] for group in (models, before)
        )
        return {
            "pc1_auc": float(np.median(two_late)),
            "pc1_auc_early": float(np.median(two_early)),
            "pc_auc": float(np.median(late)),
            "pc_auc_early": float(np.median(early)),
            "pc_auc_gain": float(np.median(late - early)),
            "without_fragility_auc": float(
                np.median([best(axes.scores, induction, chosen, 0) for axes in regressed])
            ),
            "closing_auc": float(
                np.median([best(m.restricted.scores, closing, chosen, 1) for m in models])
            ),
        }

    def best_of_first(scores: Array, chosen: Chosen) -> float:
        return folded_auc(scores[chosen, 0], induction[chosen])

    return over_sequences(of, known, repeats)


def _classes(models: Sequence[Model], before: Sequence[Model], repeats: int) -> dict[str, Measured]:
    """Means of classes, and what identity of the token does not explain."""
    known = models[0].known
    induction, unforeseen = (known.classes == name for name in (INDUCTION, "first copy"))

    def median(of: Any, group: Sequence[Model]) -> float:
        return float(np.median([of(model) for model in group]))

    def of(chosen: Chosen) -> dict[str, float]:
        again, first = (chosen[label[chosen]] for label in (induction, unforeseen))

        def previous(model: Model) -> float:
            return float(model.z[again, model.previous_token].mean())

        def later(model: Model) -> float:
            heads = (model.run.layers > 0) & above_median(model.scores, model.run.layers)
            return float(model.z[again][:, heads].mean(0).min())

        return {
            "previous_token": median(previous, models),
            "previous_token_early": median(previous, before),
            "induction_head": median(later, models),
            "first_copy": median(lambda m: (m.z[first].mean(0) >= 0).mean(), models),
            "two_chain_positive": min(
                float((m.two_chain_z[again].mean(0) > 0).mean()) for m in models
            ),
            "space_excess": median(lambda m: m.space_excess(chosen), models),
            "context": median(lambda m: m.context(chosen), models),
            "context_growth": median(lambda m: by_place(m, chosen), models),
        }

    return over_sequences(of, known, repeats)

"""Part D of figure 10: which attribution foretells a language model that is fine-tuned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from stagewise.data.tokens import Tokens
from stagewise.engine.drawn_labels import gauss_newton_roots
from stagewise.engine.sample_gradients import sample_gradients
from stagewise.estimators.low_rank_influence import low_rank_influence
from stagewise.findings.bif_scores import (
    covariances,
    effective_draws,
    over_subsets,
    permuted,
    run_scores,
)
from stagewise.findings.measured import Measured, absent, doubtful, exact
from stagewise.models.causal_lm import next_token_scores
from stagewise.seeds import generator
from stagewise.settings import build
from stagewise.testbeds import gpt_neox
from stagewise.testbeds.testbed import Points

Array = NDArray[np.float64]


SETTLED = 0.9
"""Least share of a score that half of the chains must reach."""
UNSETTLED = "half of the chains score {:.2f} of what all do: more draws would decide"


@dataclass(frozen=True)
class Settings:
    """What was fine-tuned, and what covariances are held against."""

    model: dict[str, Any]
    """Of the testbed."""
    dampings: list[float]
    """Of the exact influence functions, in units of the mean eigenvalue of the curvature."""
    labels: int
    """Draws of every sequence's tokens that the curvature is made from."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Linear datamodelling scores after fine-tuning on subsets, means over runs.

    inputs   checkpoints: trajectories; retrained: losses on subsets; main: draws with traces of the
             losses on `train` and `test`; kronfluence: its scores, or that they are missing. One of
             each seed. tokens: those of the corpus
    returns  one row per attribution and share: score with its interval over resampled subsets;
             `main` is the attribution in question.
             Statistics, with share = 25, 50, ... per cent:
               finetuning_bif_<share>                    score of covariances
               finetuning_ekfac_minus_bif_<share>        kronfluence's EK-FAC before them; absent
                                                         without that library
               finetuning_damped_minus_bif_<share>       the best exact damped influence function
               finetuning_bif_minus_gradients_<share>    inner products of gradients behind them
               finetuning_permuted_<share>               of covariances of permuted draws (control)
               finetuning_half_<share>                   score of half of the chains over that of
                                                         all. Below SETTLED, differences from it
                                                         decide nothing: noise lowers its score
               finetuning_effective_draws                median over training losses, least of seeds
               finetuning_loss_rise                      mean training loss along the chains over
                                                         that of w*, less one, greatest of seeds
    """
    wanted = build(Settings, settings, "papers.bif.finetuning")
    missing = [one.attrs["missing"] for one in inputs["kronfluence"] if "missing" in one.attrs]
    scores = []
    for number, (points, truth, draws, library) in enumerate(
        zip(*(inputs[name] for name in ("checkpoints", "retrained", "main", "kronfluence")),
            strict=True)
    ):  # fmt: skip
        found = _attributions(points, wanted, inputs["tokens"][0])
        found["bif"], found["normalised"] = covariances(draws)
        found["half"], _ = covariances(draws.isel(chain=slice(draws.sizes["chain"] // 2)))
        random = np.random.default_rng(number)
        found["permuted"], _ = permuted(draws, random)
        if not missing:
            found["ekfac"] = library["scores"].values
        scores.append(run_scores(found, truth, random, wanted.bootstrap))
    joint = {key: np.mean([part[key] for part in scores], 0) for key in scores[0]}
    runs, subsets = len(scores), inputs["retrained"][0].sizes["subset"]
    statistics = {
        "finetuning_effective_draws": exact(min(map(effective_draws, inputs["main"])), runs),
        "finetuning_loss_rise": exact(max(map(_loss_rise, inputs["main"])), runs),
    }
    rows = []
    for share in sorted({share for _, share in joint}):
        of = {name: values for (name, at), values in joint.items() if at == share}
        best = np.max([values for name, values in of.items() if name.startswith("damped")], axis=0)
        settled = of["half"] / of["bif"]
        doubt = "" if settled[0] >= SETTLED else UNSETTLED.format(settled[0])
        pairs = {
            f"finetuning_bif_{share}": of["bif"],
            f"finetuning_half_{share}": settled,
            f"finetuning_damped_minus_bif_{share}": best - of["bif"],
            f"finetuning_bif_minus_gradients_{share}": of["bif"] - of["gradients"],
            f"finetuning_permuted_{share}": of["permuted"],
        }
        ahead = f"finetuning_ekfac_minus_bif_{share}"
        if missing:
            statistics[ahead] = absent(missing[0])
        else:
            pairs[ahead] = of["ekfac"] - of["bif"]
        for name, values in pairs.items():
            score = over_subsets(values, runs, subsets)
            statistics[name] = doubtful(score, doubt) if "_minus_" in name else score
        for name, values in of.items():
            if name in ("ceiling", "half"):  # one repeat has no ceiling
                continue
            score = over_subsets(values, runs, subsets)
            rows.append(
                {
                    "attribution": name,
                    "share": share,
                    "score": score.value,
                    "low": score.low,
                    "high": score.high,
                }
            )
    return pd.DataFrame(rows).assign(main="bif"), statistics


def _attributions(points: Points, wanted: Settings, corpus: Tokens) -> dict[str, Array]:
    """By method, (train, query), at the last checkpoint of a run."""
    seed = int(points.index["seed"].iloc[0])
    testbed = gpt_neox.build(wanted.model, seed, corpus)
    last = int(points.index["step"].to_numpy().argmax())
    weights = {name: tensor[last] for name, tensor in points.parameters.items()}
    train, query = (
        _flat(
            sample_gradients(
                lambda w, data: testbed.losses(w, {}, data),
                weights,
                testbed.observables[name].data,
            )
        )
        for name in ("train", "test")
    )
    scores = next_token_scores(gpt_neox.module_with(weights, wanted.model, corpus))
    seen = testbed.data["tokens"].long()[:, :-1]
    roots = gauss_newton_roots(
        scores, weights, seen, draws=wanted.labels, stream=generator(seed, "labels")
    )
    matrix = roots.double().numpy()
    mean = float((matrix**2).sum() / matrix.shape[1])
    return {
        "gradients": train @ query.T,
        **{
            f"damped {damping:g}": low_rank_influence(train, query, matrix, damping * mean)
            for damping in wanted.dampings
        },
    }


def _flat(gradients: Mapping[str, Tensor]) -> Array:
    """(sample, d)."""
    return np.concatenate(
        [tensor.detach().flatten(1).double().numpy() for tensor in gradients.values()], axis=1
    )


def _loss_rise(draws: xr.Dataset) -> float:
    centre = float(draws["train_loss_at_centre"].mean())
    return float(draws["train_loss"].mean()) / centre - 1

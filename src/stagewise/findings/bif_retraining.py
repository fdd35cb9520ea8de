"""Part B of figure 10: which attribution foretells the losses of retrained classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.diagnostics import diagnose
from stagewise.estimators.influence import block_covariances
from stagewise.estimators.linear_datamodelling import datamodelling_scores, predicted
from stagewise.findings.bif_attributions import Rivals, attributions
from stagewise.findings.measured import Measured, doubtful, exact, mean_of
from stagewise.settings import build
from stagewise.testbeds import digits_mlp
from stagewise.testbeds.testbed import Points

Array = NDArray[np.float64]

CHECKED = 20
"""Training losses of each run whose effective sample size is taken."""
BASELINES = ("gradients", "kfac", "ekfac", "trak")


@dataclass(frozen=True)
class Settings:
    """What is compared, and how it is resampled."""

    model: dict[str, Any]
    """Of the testbed, as it was trained."""
    main: str
    """The sampling whose covariance is the influence function of the claims."""
    zero: str
    """The one at n beta = 0."""
    rivals: Rivals
    bootstrap: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Linear datamodelling scores of all attributions, means over runs, subsets of each resampled.

    inputs   checkpoints: trajectories; retrained: losses on subsets; every other one: draws of a
             sampling with traces of the losses on `train` and `test`. One of each seed.
    returns  one row per attribution and share: score and by how much it is behind the main
             covariance, with intervals; of covariances n beta and localization.
             Statistics, with share = 10, 25, ... per cent:
               bif_<share>                   score of the main covariance
               bif_minus_<rival>_<share>     its difference from a rival's
               bif_over_best_<share>         its ratio to the best exact damped influence function
               normalised_minus_bif_<share>  of correlations instead of covariances
               ekfac_minus_trak_<share>, trak_minus_gradients_<share>
               ceiling_<share>               score of other repeats of the same retraining
               permuted_<share>              of covariances of permuted draws (control)
               permuted_noise                root mean square of their correlations, in units of
                                             what independent draws give
               zero_gradient_correlation     Pearson correlation of covariances at n beta = 0 with
                                             inner products of gradients, least over seeds
               effective_draws               median over training losses, least over seeds
    """
    wanted = build(Settings, settings, "papers.bif.retraining")
    samplings = [name for name in inputs if name not in ("checkpoints", "retrained")]
    scores: list[dict[tuple[str, int], Array]] = []
    noise, correlations, sizes = [], [], []
    for number, (points, truth) in enumerate(
        zip(inputs["checkpoints"], inputs["retrained"], strict=True)
    ):
        draws = {name: inputs[name][number] for name in samplings}
        found = run_attributions(points, wanted.model, wanted.rivals)
        for name, of_sampling in draws.items():
            covariance, normalised = _covariances(of_sampling)
            found[f"bif {name}"] = covariance
            found[f"normalised {name}"] = normalised
        random = np.random.default_rng(number)
        main = draws[wanted.main]
        found["permuted"], size = _permuted(main, random)
        noise.append(size)
        zero, gradients = found[f"bif {wanted.zero}"], found["gradients"]
        correlations.append(np.corrcoef(zero.ravel(), gradients.ravel())[0, 1])
        sizes.append(_effective_draws(main))
        scores.append(run_scores(found, truth, random, wanted.bootstrap))
    joint = {key: np.mean([part[key] for part in scores], 0) for key in scores[0]}
    count = len(scores) * inputs["retrained"][0].sizes["subset"]
    doubt = "" if len(scores) > 1 else "one trained model; more seeds would decide"

    def measured(values: Array) -> Measured:
        # Copies of a subset are ties, which bring rank correlations nearer to zero: hence centred.
        low, high = values[0] + np.nanquantile(values[1:], [0.05, 0.95]) - np.nanmean(values[1:])
        return doubtful(Measured(float(values[0]), float(low), float(high), n=count), doubt)

    statistics = {
        "permuted_noise": mean_of(noise),
        "zero_gradient_correlation": exact(min(correlations), len(correlations)),
        "effective_draws": exact(min(sizes), len(sizes)),
    }
    rows = []
    bif = f"bif {wanted.main}"
    for share in sorted({share for _, share in joint}):
        of = {name: values for (name, at), values in joint.items() if at == share}
        best = np.max([v for name, v in of.items() if name.startswith("damped")], axis=0)
        pairs = {
            f"bif_{share}": of[bif],
            f"bif_over_best_{share}": of[bif] / best,
            f"normalised_minus_bif_{share}": of[f"normalised {wanted.main}"] - of[bif],
            f"ekfac_minus_trak_{share}": of["ekfac"] - of["trak"],
            f"trak_minus_gradients_{share}": of["trak"] - of["gradients"],
            f"ceiling_{share}": of["ceiling"],
            f"permuted_{share}": of["permuted"],
            **{f"bif_minus_{name}_{share}": of[bif] - of[name] for name in BASELINES},
        }
        statistics |= {name: measured(values) for name, values in pairs.items()}
        for name, values in of.items():
            score, apart = measured(values), measured(of[bif] - values)
            rows.append(
                {
                    "attribution": name,
                    "share": share,
                    "score": score.value,
                    "low": score.low,
                    "high": score.high,
                    "behind": apart.value,
                    "behind_low": apart.low,
                    "behind_high": apart.high,
                }
            )
    table = pd.DataFrame(rows).assign(main=bif)
    for column in ("nbeta", "localization"):
        of_sampling = {
            f"bif {name}": float(inputs[name][0][column].squeeze()) for name in samplings
        }
        table[column] = table.attribution.map(of_sampling)
    return table, statistics


def run_attributions(points: Points, settings: dict[str, Any], rivals: Rivals) -> dict[str, Array]:
    """Attributions at the last checkpoint of a run of the given `model` settings."""
    model = build(digits_mlp.Model, settings, "papers.bif.model")
    testbed = digits_mlp.build(settings, int(points.index["seed"].iloc[0]))
    last = int(points.index["step"].to_numpy().argmax())
    return attributions(
        {name: tensor[last] for name, tensor in points.parameters.items()},
        testbed.data,
        testbed.observables["test"].data,
        activation=model.activation,
        penalty=model.penalty,
        rivals=rivals,
    )


def _traces(draws: xr.Dataset) -> tuple[Array, Array]:
    """Losses (chain, draw, sample) on training images and on queries."""
    train, test = (draws[f"{name}_loss"].values[0, 0] for name in ("train", "test"))
    return train.astype(np.float64), test.astype(np.float64)


def _covariances(draws: xr.Dataset) -> tuple[Array, Array]:
    """(train, query) within chains, and as correlations."""
    train, test = _traces(draws)
    found = block_covariances(train, test).mean(0)
    one, two = (np.sqrt(losses.var(1, ddof=1).mean(0)) for losses in (train, test))
    return found, found / np.outer(one, two)


def _permuted(draws: xr.Dataset, random: np.random.Generator) -> tuple[Array, float]:
    """Covariances once each loss has its draws in another order; size of their correlations."""
    train, test = _traces(draws)
    train = random.permuted(train, axis=1)
    found = block_covariances(train, test).mean(0)
    spread = np.outer(*(np.sqrt(losses.var(1, ddof=1).mean(0)) for losses in (train, test)))
    freedom = train.shape[0] * (train.shape[1] - 1)
    return found, float(np.sqrt(np.mean((found / spread) ** 2) * freedom))


def _effective_draws(draws: xr.Dataset) -> float:
    chosen = draws.train_loss.isel(checkpoint=0, n=0).rename(train_draw="draw")
    every = max(1, chosen.sizes["train_sample"] // CHECKED)
    picked = chosen.isel(train_sample=slice(None, None, every)).load()
    return float(diagnose(picked.transpose("train_sample", "chain", "draw")).ess_bulk.median())


def run_scores(
    found: Mapping[str, Array], truth: xr.Dataset, random: np.random.Generator, repeats: int
) -> dict[tuple[str, int], Array]:
    """(attribution, share in per cent) -> score of all subsets, then of resampled ones.

    The repeats of the retraining are cut into halves. Attributions are scored against the mean of
    each half, the ceiling by one half against the other, and both scores averaged.
    """
    subsets = truth.sizes["subset"]
    drawn = random.multinomial(subsets, np.full(subsets, 1 / subsets), size=repeats)
    weights = np.concatenate([np.ones((1, subsets)), drawn])
    scores = {}
    for share in truth.share.values:
        of_share = truth.sel(share=share)
        losses = of_share.loss.values.astype(np.float64)
        half = losses.shape[1] // 2
        halves = losses[:, :half].mean(1), losses[:, half : 2 * half].mean(1)
        guesses = {name: -predicted(tau, of_share.member.values) for name, tau in found.items()}
        key = round(100 * float(share))
        for name, guess in guesses.items():
            both = [datamodelling_scores(guess, wanted, weights) for wanted in halves]
            scores[name, key] = np.mean(both, 0)
        scores["ceiling", key] = datamodelling_scores(*halves, weights)
    return scores

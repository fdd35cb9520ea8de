"""Linear datamodelling scores of attributions, and attributions from draws."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.diagnostics import diagnose
from stagewise.estimators.influence import block_covariances
from stagewise.estimators.linear_datamodelling import datamodelling_scores, predicted
from stagewise.findings.measured import Measured, doubtful

Array = NDArray[np.float64]

CHECKED = 20
"""Training losses of each run whose effective sample size is taken."""


def _traces(draws: xr.Dataset) -> tuple[Array, Array]:
    """Losses (chain, draw, sample) on training images and on queries."""
    train, test = (draws[f"{name}_loss"].values[0, 0] for name in ("train", "test"))
    return train.astype(np.float64), test.astype(np.float64)


def covariances(draws: xr.Dataset) -> tuple[Array, Array]:
    """(train, query) within chains, and as correlations."""
    train, test = _traces(draws)
    found = block_covariances(train, test).mean(0)
    one, two = (np.sqrt(losses.var(1, ddof=1).mean(0)) for losses in (train, test))
    return found, found / np.outer(one, two)


def permuted(draws: xr.Dataset, random: np.random.Generator) -> tuple[Array, float]:
    """Covariances once each loss has its draws in another order; size of their correlations."""
    train, test = _traces(draws)
    train = random.permuted(train, axis=1)
    found = block_covariances(train, test).mean(0)
    spread = np.outer(*(np.sqrt(losses.var(1, ddof=1).mean(0)) for losses in (train, test)))
    freedom = train.shape[0] * (train.shape[1] - 1)
    return found, float(np.sqrt(np.mean((found / spread) ** 2) * freedom))


def effective_draws(draws: xr.Dataset) -> float:
    """Median effective sample size of the losses of CHECKED training samples."""
    chosen = draws.train_loss.isel(checkpoint=0, n=0).rename(train_draw="draw")
    every = max(1, chosen.sizes["train_sample"] // CHECKED)
    picked = chosen.isel(train_sample=slice(None, None, every)).load()
    return float(diagnose(picked.transpose("train_sample", "chain", "draw")).ess_bulk.median())


def run_scores(
    found: Mapping[str, Array], truth: xr.Dataset, random: np.random.Generator, repeats: int
) -> dict[tuple[str, int], Array]:
    """(attribution, share in per cent) -> score of all subsets, then of resampled ones.

    The repeats of the retraining are cut into halves. Attributions are scored against the mean of
    each half, the ceiling by one half against the other, and both scores averaged. A single repeat
    is both halves.
    """
    subsets = truth.sizes["subset"]
    drawn = random.multinomial(subsets, np.full(subsets, 1 / subsets), size=repeats)
    weights = np.concatenate([np.ones((1, subsets)), drawn])
    scores = {}
    for share in truth.share.values:
        of_share = truth.sel(share=share)
        losses = of_share.loss.values.astype(np.float64)
        half = max(1, losses.shape[1] // 2)
        halves = losses[:, :half].mean(1), losses[:, -half:].mean(1)
        guesses = {name: -predicted(tau, of_share.member.values) for name, tau in found.items()}
        key = round(100 * float(share))
        for name, guess in guesses.items():
            both = [datamodelling_scores(guess, wanted, weights) for wanted in halves]
            scores[name, key] = np.mean(both, 0)
        scores["ceiling", key] = datamodelling_scores(*halves, weights)
    return scores


def over_subsets(values: Array, runs: int, subsets: int) -> Measured:
    """A score, or a difference of scores, with its interval over resampled subsets.

    values   that of all subsets, then of resampled ones; means over the runs
    subsets  of each run and size
    """
    doubt = "" if runs > 1 else "one trained model; more seeds would decide"
    # Copies of a subset are ties, which bring rank correlations nearer to zero: hence centred.
    low, high = values[0] + np.nanquantile(values[1:], [0.05, 0.95]) - np.nanmean(values[1:])
    return doubtful(Measured(float(values[0]), float(low), float(high), n=runs * subsets), doubt)

"""Part A of figure 10: linear regression, where covariances of losses are known exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.influence import block_covariances
from stagewise.findings.bif_response import Response, responses
from stagewise.findings.measured import Measured, bootstrap, exact, mean_of, share_of
from stagewise.settings import build
from stagewise.testbeds import linear_regression
from stagewise.theory.local_influence import (
    damped_influence,
    posterior_covariance,
    regression_covariance,
)
from stagewise.theory.reweighted_regression import expected_losses

Array = NDArray[np.float64]

SHIFT = 1e-4
"""Of a weight, in the exact check: central differences are then good to 1e-8."""
SHOWN = 400
"""Pairs of samples in the table, for the figure."""


@dataclass(frozen=True)
class Settings:
    """What is computed."""

    model: dict[str, Any]
    """Of the testbed, as it was sampled."""
    nbetas: list[float]
    damping: float
    """lambda = gamma / (n beta) of the comparison with the damped influence function."""
    data_sets: int
    """Random regressions of the functional variance."""
    response: Response
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Closed forms, and draws of several step sizes against them.

    inputs   sgld: draws of a linear regression with traces of all its losses
    returns  rows of kind `deviation` (n beta: relative distance of n beta Cov from the damped
             influence function), `covariance` (pairs: exact and sampled, by step size),
             `response` (pairs: sampled response and minus covariance). Statistics:
               linearisation_slope          d log(relative distance) / d log(n beta)
               covariance_error_<step>      relative Frobenius error of sampled covariances to the
                                            closed form of that step size, step = small, large
               covariance_plain_<step>      the same to the posterior's own
               response_exact_error         largest difference of a response from minus covariance,
                                            both in closed form
               response_within              share of sampled pairs within three standard errors
               response_other_within        the same with other samples' responses (control)
               functional_variance_error    mean over random data sets of trace - theory, in
                                            standard errors
               functional_variance_sampled  sampled trace over the closed form
    """
    wanted = build(Settings, settings, "papers.bif.regression")
    (draws,) = inputs["sgld"]
    testbed = linear_regression.build(wanted.model, draws.attrs["seed"])
    assert testbed.points is not None
    points = testbed.points()
    x, y, w = (
        tensor[0].numpy()
        for tensor in (points.constants["x"], points.constants["y"], points.parameters["w"])
    )
    residuals, hessian = y - x @ w, x.T @ x / len(x)
    gamma = float(draws.localization)
    nbeta = float(draws.nbeta[0])

    def covariance(epsilon: float) -> Array:
        sigma = posterior_covariance(hessian, nbeta=nbeta, localization=gamma, epsilon=epsilon)
        return regression_covariance(x, residuals, sigma)

    deviations = _deviations(x, residuals, hessian, wanted)
    slope = np.polyfit(np.log(deviations["nbeta"]), np.log(deviations["deviation"]), 1)[0]
    statistics = {
        "linearisation_slope": exact(slope, len(deviations)),
        "response_exact_error": exact(_response_error(x, y, w, covariance(0.0), nbeta, gamma)),
        "functional_variance_error": _functional_variance(wanted),
    }
    pairs = []
    names = dict(zip(draws.step_size.values, ("small", "large"), strict=True))
    for unit, name in names.items():
        chosen = draws.sel(step_size=unit)
        traces = chosen.data_loss.values[0, 0]
        blocks = block_covariances(traces, pooled=True)
        corrected = covariance(float(chosen.epsilon.values[0, 0]))
        for against, truth in (("error", corrected), ("plain", covariance(0.0))):
            statistics[f"covariance_{against}_{name}"] = _distance(blocks, truth, wanted.bootstrap)
        if name == "small":
            ratios = np.trace(blocks, axis1=1, axis2=2) / np.trace(corrected)
            statistics["functional_variance_sampled"] = mean_of(ratios)
            found = _responses(testbed, wanted, blocks, nbeta, gamma, unit, draws.attrs["seed"])
        pairs.append(_shown(unit, corrected, covariance(0.0), blocks.mean(0)))
    right, other, response = found
    statistics |= {"response_within": right, "response_other_within": other}
    table = pd.concat([deviations, *pairs, response], ignore_index=True)
    return table, statistics


def _deviations(x: Array, residuals: Array, hessian: Array, wanted: Settings) -> pd.DataFrame:
    """Relative Frobenius distance of n beta Cov from the damped influence function."""
    classical = damped_influence(x * -residuals[:, None], hessian, wanted.damping)
    rows = []
    for nbeta in wanted.nbetas:
        sigma = posterior_covariance(hessian, nbeta=nbeta, localization=wanted.damping * nbeta)
        apart = nbeta * regression_covariance(x, residuals, sigma) - classical
        deviation = float(np.linalg.norm(apart) / np.linalg.norm(classical))
        rows.append({"kind": "deviation", "nbeta": nbeta, "deviation": deviation})
    return pd.DataFrame(rows)


def _distance(blocks: Array, truth: Array, repeats: int) -> Measured:
    """Relative Frobenius error of the mean over chains, chains resampled."""

    def error(chosen: NDArray[Any]) -> float:
        apart = blocks[chosen].mean(0) - truth
        return float(np.linalg.norm(apart) / np.linalg.norm(truth))

    return bootstrap(error, len(blocks), seed=0, repeats=repeats)


def _response_error(
    x: Array, y: Array, w: Array, covariance: Array, nbeta: float, gamma: float
) -> float:
    def expected(sample: int, shift: float) -> Array:
        weights = np.ones(len(x))
        weights[sample] += shift
        return expected_losses(x, y, w, weights, nbeta=nbeta, localization=gamma)

    found = [(expected(i, SHIFT) - expected(i, -SHIFT)) / (2 * SHIFT) for i in range(len(x))]
    return float(np.abs(np.stack(found) + nbeta / len(x) * covariance).max())


def _functional_variance(wanted: Settings) -> Measured:
    """Mean of trace Cov - (d - sum_i h_ii^2 / 2) over random data sets, in standard errors.

    At n beta = n without localization: C_ij = x_i (X^T X)^-1 x_j is the projection on the inputs,
    h_ii its diagonal, the leverages.
    """
    many = {**wanted.model, "data_sets": wanted.data_sets}
    testbed = linear_regression.build(many, 0)
    assert testbed.points is not None
    points = testbed.points()
    x, y = points.constants["x"].numpy(), points.constants["y"].numpy()
    residuals = y - np.einsum("sij,sj->si", x, points.parameters["w"].numpy())
    leverages = np.linalg.norm(np.linalg.qr(x)[0], axis=2) ** 2
    traces = (residuals**2 * leverages + leverages**2 / 2).sum(1)
    apart = traces - (x.shape[2] - (leverages**2).sum(1) / 2)
    return exact(apart.mean() / (apart.std(ddof=1) / len(apart) ** 0.5), len(apart))


def _responses(
    testbed: Any,
    wanted: Settings,
    blocks: Array,
    nbeta: float,
    gamma: float,
    epsilon: float,
    seed: int,
) -> tuple[Measured, Measured, pd.DataFrame]:
    """Sampled responses against sampled covariances: shares within three standard errors."""
    count = len(blocks[0])
    samples = np.arange(0, count, max(1, count // wanted.response.samples))
    samples = samples[: wanted.response.samples]
    by_chain = responses(
        testbed,
        wanted.response,
        samples.tolist(),
        nbeta=nbeta,
        localization=gamma,
        epsilon=epsilon,
        seed=seed,
    )
    found, error = by_chain.mean(1), by_chain.std(1, ddof=1) / by_chain.shape[1] ** 0.5
    expected = -nbeta / count * blocks[:, samples]
    mean, noise = expected.mean(0), expected.std(0, ddof=1) / len(expected) ** 0.5

    def within(response: Array) -> Measured:
        hits = np.abs(response - mean) <= 3 * np.hypot(error, noise)
        return share_of(int(hits.sum()), hits.size)

    table = pd.DataFrame(
        {
            "kind": "response",
            "first": np.repeat(samples, count),
            "second": np.tile(np.arange(count), len(samples)),
            "sampled": found.ravel(),
            "exact": mean.ravel(),
        }
    )
    return within(found), within(np.roll(found, 1, axis=1)), table


def _shown(unit: float, corrected: Array, plain: Array, sampled: Array) -> pd.DataFrame:
    """Some pairs, evenly chosen."""
    rows, columns = np.triu_indices(len(plain))
    chosen = np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int)
    rows, columns = rows[chosen], columns[chosen]
    return pd.DataFrame(
        {
            "kind": "covariance",
            "step_size": unit,
            "first": rows,
            "second": columns,
            "exact": corrected[rows, columns],
            "plain": plain[rows, columns],
            "sampled": sampled[rows, columns],
        }
    )

"""Exact predictors of linear regression in context, and their losses.

Examples x ~ N(0, I_D), y = t . x + N(0, v), with one task t for a sequence: t ~ N(0, I_D), or
uniform on a finite set of tasks. The k-th prediction is made from x_k and the k - 1 examples
before it; its loss is the squared error (y_k - prediction)^2, not halved and not divided by v, of
which the Bayes predictor, the mean of y_k given those, has the least. Hoogland et al. 2024
(2402.02364), Carroll et al. 2025 (2501.17745).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[Any]


def zero_loss(dimension: int, noise_variance: float, *, input_variance: float = 1.0) -> float:
    """Loss of predicting 0 everywhere, for inputs x ~ N(0, g I) and tasks t ~ N(0, I):

    E[y^2] = g D + v
    """
    return input_variance * dimension + noise_variance


def ridge_predictions(x: Array, y: Array, noise_variance: float) -> Array:
    """Bayes predictions for tasks t ~ N(0, I), (sample, example), float64.

        t_k = (X'X + v I)^-1 X'Y,   X and Y the first k - 1 examples;   prediction t_k . x_k

    x  (sample, example, dimension)
    y  (sample, example)
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    precision = _before(x[..., :, None] * x[..., None, :])
    precision += noise_variance * np.eye(x.shape[-1])
    mean = np.linalg.solve(precision, _before(x * y[..., None])[..., None])[..., 0]
    return (mean * x).sum(-1)


def task_set_predictions(x: Array, y: Array, tasks: Array, noise_variance: float) -> Array:
    """Bayes predictions for t uniform on `tasks` (task, dimension), (sample, example), float64.

        t_k = sum_m w_m t_m / sum_m w_m,   w_m = exp(-sum_(j < k) (y_j - t_m . x_j)^2 / (2 v))

    the discrete minimum mean squared error predictor, dMMSE; with more and more tasks drawn from
    N(0, I) it becomes ridge regression.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    of_task = x @ np.asarray(tasks, dtype=float).T  # (sample, example, task)
    evidence = -_before((y[..., None] - of_task) ** 2) / (2 * noise_variance)
    weight = np.exp(evidence - logsumexp(evidence, axis=-1, keepdims=True))
    return (weight * of_task).sum(-1)


def _before(terms: Array) -> Array:
    """Sums over the examples before each, axis 1."""
    return np.cumsum(terms, axis=1) - terms


class BayesLoss(NamedTuple):
    """Least possible losses, with the standard errors of the simulation they come from."""

    tokens: Array
    """(example,)"""
    token_errors: Array
    """(example,)"""
    mean: float
    """Over the examples."""
    error: float
    """Of that mean."""


def bayes_loss(
    dimension: int, examples: int, noise_variance: float, *, samples: int, seed: int
) -> BayesLoss:
    """Loss of ridge regression where tasks are t ~ N(0, I): with X the first k - 1 inputs,

        E[(y_k - prediction)^2] = v + v E tr (X'X + v I)^-1

    The first token's, D + v, is exact; the expectation is a mean over `samples` draws of X.
    """
    random = np.random.default_rng(seed)
    x = random.standard_normal((samples, examples, dimension))
    precision = _before(x[..., :, None] * x[..., None, :]) + noise_variance * np.eye(dimension)
    trace = np.trace(np.linalg.inv(precision), axis1=-2, axis2=-1)
    losses = noise_variance + noise_variance * trace
    means = losses.mean(1)
    return BayesLoss(
        losses.mean(0),
        losses.std(0, ddof=1) / samples**0.5,
        float(means.mean()),
        float(means.std(ddof=1) / samples**0.5),
    )

"""Expected losses of reweighted regressions."""

import numpy as np
import pytest

from stagewise.theory.local_influence import posterior_covariance, regression_covariance
from stagewise.theory.reweighted_regression import expected_losses


@pytest.fixture
def regression():
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 4))
    y = x @ random.normal(size=4) + random.normal(size=30)
    return x, y, np.linalg.lstsq(x, y, rcond=None)[0]


def test_draws_have_that_mean(regression):
    x, y, centre = regression
    random = np.random.default_rng(1)
    weights = random.uniform(0.5, 2, size=30)
    nbeta, localization = 50.0, 3.0
    precision = nbeta / 30 * (x.T * weights) @ x + localization * np.eye(4)
    slope = nbeta / 30 * (x.T * weights) @ y + localization * centre
    covariance = np.linalg.inv(precision)
    draws = random.multivariate_normal(covariance @ slope, covariance, size=200_000)
    sampled = (y - draws @ x.T) ** 2 / 2
    found = expected_losses(x, y, centre, weights, nbeta=nbeta, localization=localization)
    errors = sampled.std(0) / len(draws) ** 0.5
    assert np.abs((sampled.mean(0) - found) / errors).max() < 4


def test_response_is_the_covariance(regression):
    x, y, centre = regression
    nbeta, localization, step = 30.0, 2.0, 1e-4

    def expected(sample, shift):
        weights = np.ones(30)
        weights[sample] += shift
        return expected_losses(x, y, centre, weights, nbeta=nbeta, localization=localization)

    response = np.stack([(expected(i, step) - expected(i, -step)) / (2 * step) for i in range(30)])
    sigma = posterior_covariance(x.T @ x / 30, nbeta=nbeta, localization=localization)
    covariance = regression_covariance(x, y - x @ centre, sigma)
    assert response == pytest.approx(-nbeta / 30 * covariance, abs=1e-8)

"""Closed forms of loss covariances against simulation and each other."""

import numpy as np
import pytest

from stagewise.theory.local_influence import (
    damped_influence,
    factored_covariance,
    posterior_covariance,
    quadratic_covariance,
    regression_covariance,
)

random = np.random.default_rng(0)
X = random.standard_normal((30, 4))
R = random.standard_normal(30)
H = X.T @ X / 30


def test_quadratic_losses_against_draws() -> None:
    b = random.standard_normal((3, 4))
    hessians = np.stack([np.outer(x, x) for x in X[:3]])
    sigma = posterior_covariance(H, nbeta=30, localization=3)
    u = random.multivariate_normal(np.zeros(4), sigma, 400_000)
    losses = u @ b.T + np.einsum("ti,sij,tj->ts", u, hessians, u) / 2
    expected = quadratic_covariance(b, hessians, sigma)
    assert np.allclose(np.cov(losses.T), expected, atol=0.02 * np.abs(expected).max())


def test_regression_is_the_quadratic_formula() -> None:
    sigma = posterior_covariance(H, nbeta=30, localization=3)
    hessians = np.stack([np.outer(x, x) for x in X])
    whole = quadratic_covariance(-R[:, None] * X, hessians, sigma)
    assert np.allclose(regression_covariance(X, R, sigma), whole)


def test_hessians_of_low_rank_are_hessians() -> None:
    sigma = posterior_covariance(H, nbeta=30, localization=3)
    stream = np.random.default_rng(1)
    b, factors = stream.standard_normal((5, 4)), stream.standard_normal((5, 4, 3))
    core = stream.standard_normal((3, 3))
    core = core + core.T
    whole = quadratic_covariance(b, factors @ core @ factors.transpose(0, 2, 1), sigma)
    assert np.allclose(factored_covariance(b, factors, core, sigma), whole)


@pytest.mark.parametrize("nbeta", [1e3, 1e5])
def test_first_term_is_the_damped_influence_function(nbeta: float) -> None:
    gradients = -R[:, None] * X
    sigma = posterior_covariance(H, nbeta=nbeta, localization=0.1 * nbeta)
    first = gradients @ sigma @ gradients.T
    assert np.allclose(nbeta * first, damped_influence(gradients, H, 0.1))


def test_step_enters_as_the_recursion_says() -> None:
    epsilon = 0.5 / (30 * np.linalg.eigvalsh(H)[-1] + 3)
    precision = 30 * H + 3 * np.eye(4)
    sigma = posterior_covariance(H, nbeta=30, localization=3, epsilon=epsilon)
    contraction = np.eye(4) - epsilon / 2 * precision
    assert np.allclose(contraction @ sigma @ contraction.T + epsilon * np.eye(4), sigma)


def test_what_has_no_local_gaussian_is_refused() -> None:
    with pytest.raises(ValueError, match="no local Gaussian"):
        posterior_covariance(-H, nbeta=30, localization=1)
    with pytest.raises(ValueError, match=">= 4"):
        posterior_covariance(H, nbeta=30, localization=1, epsilon=10)

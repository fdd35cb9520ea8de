"""Closed forms of susceptibilities against draws, finite fields and each other."""

import numpy as np
import pytest

from stagewise.theory import gaussian_susceptibilities as theory
from stagewise.theory.local_influence import posterior_covariance

random = np.random.default_rng(0)
X = random.standard_normal((50, 6))
R = random.standard_normal(50)
R -= X @ np.linalg.lstsq(X, R, rcond=None)[0]
OF = slice(0, 3)
H = X.T @ X / len(X)
D = np.einsum("zi,zj->zij", X, X) - H
SIGMA = posterior_covariance(H, nbeta=30, localization=3)
SIGMA_C = posterior_covariance(H[OF, OF], nbeta=30, localization=3)


def test_restricted_and_two_chain_against_draws() -> None:
    def apart(u):
        losses = (R - u @ X.T) ** 2 / 2
        mean = losses.mean(1)
        return losses - mean[:, None], mean - np.square(R).mean() / 2

    size = 200_000
    alone = np.zeros((size, 6))
    alone[:, OF] = random.multivariate_normal(np.zeros(3), SIGMA_C, size)
    deviations, g = apart(alone)
    restricted = -(((g - g.mean())[:, None] * deviations).mean(0))
    expected = theory.restricted(H[OF, OF], D[:, OF, OF], SIGMA_C)
    assert np.allclose(restricted, expected, atol=0.05 * np.abs(expected).max())

    everywhere = apart(random.multivariate_normal(np.zeros(6), SIGMA, size))[0]
    two_chain = -((g[:, None] * deviations).mean(0) - g.mean() * everywhere.mean(0))
    rise = theory.rise(H[OF, OF], SIGMA_C)
    assert g.mean() == pytest.approx(rise, rel=0.02)
    expected = theory.two_chain(
        expected, rise, theory.shifts(D[:, OF, OF], SIGMA_C), theory.shifts(D, SIGMA)
    )
    assert np.allclose(two_chain, expected, atol=0.05 * np.abs(expected).max())


def test_the_mean_over_samples_vanishes() -> None:
    assert abs(theory.restricted(H, D, SIGMA).mean()) < 1e-15
    assert abs(theory.shifts(D, SIGMA).mean()) < 1e-15


def test_coupled_chains_give_the_covariance_as_temperatures_meet() -> None:
    near = {"nbetas": [29.9, 30.1], "localization": 3.0}
    expected = theory.restricted(H, D, SIGMA)
    assert np.allclose(theory.coupled(H, D, **near), expected, rtol=1e-4, atol=1e-8)
    step = 1 / np.linalg.eigvalsh(30 * H + 3 * np.eye(6)).max()
    stepped = theory.coupled(H, D, **near, epsilon=step)
    sigma = posterior_covariance(H, nbeta=30, localization=3, epsilon=step)
    # The factor 1 - epsilon p / 2 <= 1/2 in the stiffest direction.
    assert np.linalg.norm(stepped) < np.linalg.norm(theory.restricted(H, D, sigma))


def test_a_field_changes_the_rise_by_the_susceptibility() -> None:
    probe = random.dirichlet(np.ones(50))
    expected = probe @ theory.restricted(H[OF, OF], D[:, OF, OF], SIGMA_C)

    def response(field):
        return [
            theory.rise_under_field(X[:, OF], R, probe, h, nbeta=30, localization=3)
            for h in (field, -field)
        ]

    up, down = response(1e-4)
    assert (up - down) / 2e-4 / 30 == pytest.approx(expected, rel=1e-5)
    coarse_up, coarse_down = response(0.3)
    central = (coarse_up - coarse_down) / 0.6 / 30
    one_sided = (coarse_up - theory.rise(H[OF, OF], SIGMA_C)) / 0.3 / 30
    assert abs(central - expected) < abs(one_sided - expected)

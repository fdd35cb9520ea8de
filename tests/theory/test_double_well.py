"""Covariances of a posterior of two phases."""

import numpy as np

from stagewise.theory.double_well import losses, mixture


def test_parts_add_up() -> None:
    for r in (0.0, 0.05, 0.2, 1.0):
        found = mixture(r, nbeta=60)
        assert abs(found.total - found.within - found.between) < 1e-12


def test_total_is_the_covariance_of_draws() -> None:
    random = np.random.default_rng(0)
    proposals = random.uniform(-4, 4, 2_000_000)
    first, second = losses(proposals)
    potential = 20 * (0.9 * first + 0.1 * second)
    kept = random.uniform(size=len(proposals)) < np.exp(potential.min() - potential)
    found = mixture(0.1, nbeta=20)
    assert np.isclose(np.cov(first[kept], second[kept])[0, 1], found.total, rtol=0.05)
    assert np.isclose((proposals[kept] < 0).mean(), found.share, atol=0.05)


def test_one_phase_has_no_between() -> None:
    assert abs(mixture(1.0, nbeta=100).between) < 1e-10

"""Stiffness of singular potentials against sampling from their exact posteriors."""

import numpy as np
import pytest

from stagewise.theory.stiffness import monomial_stiffness, sum_stiffness


@pytest.mark.parametrize(
    ("k", "h"), [((1, 0), (0, 0)), ((1, 1), (0, 0)), ((1, 2), (1, 0)), ((2, 3), (0, 2))]
)
def test_monomials_against_weighted_samples(k: tuple[int, int], h: tuple[int, int]) -> None:
    """Draws of the prior times tether, weighted by exp(-n beta K); the Hessian from numpy. The
    99 % quantile of 400 000 weighted draws and the grid agree to about 5 per cent."""
    n_beta, gamma = 20.0, 1.5
    random = np.random.default_rng(0)
    draws = np.stack([random.gamma((hj + 1) / 2, 2 / gamma, 400_000) ** 0.5 for hj in h])
    a, b = draws
    weights = np.exp(-n_beta * a ** (2 * k[0]) * b ** (2 * k[1]))
    p, q = 2 * k[0], 2 * k[1]
    hessians = np.empty((len(a), 2, 2))
    hessians[:, 0, 0] = p * (p - 1) * a ** max(p - 2, 0) * b**q
    hessians[:, 1, 1] = q * (q - 1) * b ** max(q - 2, 0) * a**p
    mixed = p * q * a ** max(p - 1, 0) * b ** max(q - 1, 0)
    hessians[:, 0, 1] = hessians[:, 1, 0] = mixed
    largest = np.linalg.eigvalsh(hessians)[:, -1]
    order = np.argsort(largest)
    cumulative = np.cumsum(weights[order])
    expected = largest[order][np.searchsorted(cumulative, 0.99 * cumulative[-1])]
    found = monomial_stiffness(k, h, n_beta=n_beta, localization=gamma)
    assert found == pytest.approx(expected, rel=0.08)


def test_monomials_scale_with_the_tether() -> None:
    """w -> w / sqrt(gamma): n beta gamma^(-k1-k2) is all that matters, in units gamma^(1-k1-k2)."""
    one = monomial_stiffness((1, 2), (0, 1), n_beta=30.0, localization=1.0)
    four = monomial_stiffness((1, 2), (0, 1), n_beta=30.0 * 4**3, localization=4.0)
    assert four == pytest.approx(one * 4 ** (1 - 3), rel=1e-6)


def test_sums() -> None:
    """A power of 2 has curvature 2 everywhere; |w|^4 at n beta w^4 = the quantile of Gamma(1/4)."""
    assert sum_stiffness([2, 2], n_beta=50.0) == 2
    random = np.random.default_rng(1)
    w = (random.gamma(0.25, 1 / 50.0, 200_000)) ** 0.25
    expected = np.quantile(12 * w**2, 0.99)
    assert sum_stiffness([2, 4], n_beta=50.0) == pytest.approx(expected, rel=0.02)

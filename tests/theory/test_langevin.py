"""Closed forms of Langevin sampling on quadratics against the recursion itself."""

import numpy as np
import pytest
from scipy.signal import lfilter

from stagewise.theory.langevin import (
    autocorrelation_time,
    gaussian_excess,
    sghmc_variance,
    sgld_variance,
    sgnht_variances,
)


@pytest.mark.parametrize(("precision", "epsilon"), [(1.0, 0.1), (50.0, 0.01), (3.0, 1.2), (2.0, 1)])
def test_variance_is_the_fixed_point_of_the_recursion(precision: float, epsilon: float) -> None:
    variance = 0.0
    for _ in range(2000):
        variance = (1 - epsilon * precision / 2) ** 2 * variance + epsilon
    assert sgld_variance(precision, epsilon) == pytest.approx(variance, rel=1e-12)


def test_no_step_gives_the_target() -> None:
    assert sgld_variance(8.0, 0.0) == 1 / 8


def test_unstable_step_is_refused_with_both_numbers() -> None:
    assert sgld_variance(2.0, 1.99) > 0
    with pytest.raises(ValueError, match=r"epsilon = 2\.0 diverges on precision 2\.5.* 5 "):
        sgld_variance(2.5, 2.0)
    with pytest.raises(ValueError, match="must stay below 4"):
        sgld_variance(2.0, 2.0)
    with pytest.raises(ValueError, match="precision must be positive"):
        sgld_variance(0.0, 0.1)
    with pytest.raises(ValueError, match="epsilon must not be negative"):
        sgld_variance(1.0, -0.1)


def test_excess_of_a_regular_model_is_half_its_dimension() -> None:
    assert gaussian_excess([1.0, 2.0, 0.0, 5.0], n_beta=100.0, localization=0.0) == pytest.approx(
        1.5, rel=1e-14
    )


def test_excess_with_tether_and_step_is_the_expectation() -> None:
    curvatures, n_beta, gamma, epsilon = np.array([0.5, 3.0]), 40.0, 7.0, 0.02
    variances = np.zeros(2)
    for _ in range(2000):
        slope = n_beta * curvatures + gamma
        variances = (1 - epsilon / 2 * slope) ** 2 * variances + epsilon
    expected = n_beta * 0.5 * float(curvatures @ variances)
    got = gaussian_excess(curvatures, n_beta=n_beta, localization=gamma, epsilon=epsilon)
    assert got == pytest.approx(expected, rel=1e-12)
    assert got > gaussian_excess(curvatures, n_beta=n_beta, localization=gamma)


@pytest.mark.parametrize("of_square", [False, True])
def test_autocorrelation_time_sets_the_error_of_a_mean(of_square: bool) -> None:
    precision, epsilon = 4.0, 0.1  # rho = 0.8
    rng = np.random.default_rng(0)
    noise = epsilon**0.5 * rng.normal(size=(2000, 2100))
    w = lfilter([1.0], [1.0, -(1 - epsilon * precision / 2)], noise, axis=1)[:, 100:]
    values = w**2 if of_square else w
    tau = values.shape[1] * values.mean(axis=1).var() / values.var()
    # 2000 independent means: relative standard error sqrt(2 / 2000) = 3 per cent
    assert autocorrelation_time(precision, epsilon, of_square=of_square) == pytest.approx(
        tau, rel=0.1
    )


def test_autocorrelation_time_is_the_sum_of_its_series() -> None:
    rho = 1 - 0.3 * 2.0 / 2
    series = rho ** np.arange(1, 400)
    assert autocorrelation_time(2.0, 0.3) == pytest.approx(1 + 2 * series.sum(), rel=1e-12)
    squared = autocorrelation_time(2.0, 0.3, of_square=True)
    assert squared == pytest.approx(1 + 2 * (series**2).sum(), rel=1e-12)
    with pytest.raises(ValueError, match="never forgets"):
        autocorrelation_time(2.0, 0.0)


def simulated_variances(
    precisions: list[float], epsilon: float, friction: float, *, thermostat: bool, steps: int
) -> np.ndarray:
    """Variance of w over a long run of the recursion itself, many chains at once."""
    random = np.random.default_rng(0)
    h, p = epsilon / 2, np.asarray(precisions)
    w = random.standard_normal((400, len(p))) / np.sqrt(p)
    v, xi = np.zeros_like(w), np.full((400, 1), friction)
    total, count = np.zeros(len(p)), 0
    for step in range(steps):
        v = (1 - xi) * v - h * p * w + np.sqrt(2 * friction * h) * random.standard_normal(w.shape)
        w = w + v
        if thermostat:
            xi = xi + (v**2).mean(1, keepdims=True) - h
        if step >= steps // 3:
            total += (w**2).mean(0)
            count += 1
    return total / count


@pytest.mark.parametrize("friction", [0.05, 0.3, 1.0])
def test_sghmc_variance_is_that_of_its_recursion(friction: float) -> None:
    precisions, epsilon = [1.0, 2.0, 3.0], 0.8
    found = simulated_variances(precisions, epsilon, friction, thermostat=False, steps=3000)
    wanted = [sghmc_variance(p, epsilon, friction) for p in precisions]
    np.testing.assert_allclose(found, wanted, rtol=0.02)
    assert wanted[2] * 3 > 1.2  # ten times the tolerance away from no bias


def test_sghmc_without_momentum_is_sgld() -> None:
    for precision in (0.3, 2.0):
        assert sghmc_variance(precision, 0.9, 1.0) == pytest.approx(sgld_variance(precision, 0.9))


@pytest.mark.parametrize("friction", [0.1, 0.3])
def test_sgnht_variances_are_those_of_its_recursion(friction: float) -> None:
    precisions, epsilon = list(np.linspace(0.5, 2.0, 40)), 0.2
    found = simulated_variances(precisions, epsilon, friction, thermostat=True, steps=4000)
    wanted = sgnht_variances(precisions, epsilon, friction)
    np.testing.assert_allclose(found.mean(), wanted.mean(), rtol=0.02)
    np.testing.assert_allclose(found, wanted, rtol=0.06)
    small = sgnht_variances(precisions, 1e-6, friction)
    xi = 1 - np.sqrt(1 - 2 * friction)  # xi (1 - xi / 2) = A
    np.testing.assert_allclose(small, (1 - xi / 2) / np.array(precisions), rtol=1e-5)

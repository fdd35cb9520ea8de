"""Susceptibilities of u c x by integration, against other integrals and known values."""

import numpy as np
import pytest
from scipy.integrate import dblquad

from stagewise.theory import product_susceptibilities as theory
from stagewise.theory.product_susceptibilities import Field, Posterior

random = np.random.default_rng(0)
X = random.standard_normal(12)
X /= np.sqrt(np.square(X).mean())
Y = random.standard_normal(12)
Y -= X * (X @ Y) / (X @ X)
VALLEY, CROSSING = (Posterior(centre, 300.0, 10.0) for centre in ((1.0, 0.0), (0.0, 0.0)))
GENERAL = Posterior((0.7, 0.2), 60.0, 10.0)


def test_moments_are_those_of_the_double_integral() -> None:
    u_star, c_star = GENERAL.centre

    def of(function):
        def integrand(c, u):
            tether = 5 * ((u - u_star) ** 2 + (c - c_star) ** 2)
            return function(u, c) * np.exp(-30 * u**2 * c**2 - tether)

        ends = (u_star - 2.5, u_star + 2.5, c_star - 2.5, c_star + 2.5)
        return dblquad(integrand, *ends, epsabs=1e-7, epsrel=1e-7)[0]

    found = theory.whole(GENERAL)
    evidence = of(lambda u, c: 1.0)
    assert found.evidence == pytest.approx(evidence, rel=1e-5)
    assert found.product == pytest.approx(of(lambda u, c: u * c) / evidence, rel=1e-4)
    assert found.square == pytest.approx(of(lambda u, c: (u * c) ** 2) / evidence, rel=1e-4)


def test_values_found_before() -> None:
    assert theory.whole(VALLEY).evidence == pytest.approx(0.1269, rel=1e-3)
    assert theory.whole(CROSSING).evidence == pytest.approx(0.4101, rel=1e-3)
    assert theory.whole(VALLEY).square / 2 == pytest.approx(1.539e-3, rel=1e-3)
    assert theory.whole(CROSSING).square / 2 == pytest.approx(6.797e-4, rel=1e-3)


def test_one_weight_at_the_valley_is_gaussian() -> None:
    found = theory.restricted_susceptibility(VALLEY, "c", X, Y)
    assert np.allclose(found, -(X**2 - 1) / 2 / 310**2, rtol=1e-12, atol=0)


@pytest.mark.parametrize("component", ["u", "c"])
def test_nothing_responds_at_the_crossing(component) -> None:
    assert not theory.restricted_susceptibility(CROSSING, component, X, Y).any()
    assert not theory.two_chain_susceptibility(CROSSING, component, X, Y).any()


@pytest.mark.parametrize("component", ["u", "c"])
@pytest.mark.parametrize("posterior", [VALLEY, GENERAL])
def test_the_population_susceptibility_is_a_response(posterior, component) -> None:
    expected = theory.population_susceptibility(posterior, component, X, Y)
    step = 1e-4
    for place in range(3):
        strengths = (step, -step)
        up, down = (
            theory.observable(
                posterior, component, Field(h, X[place] ** 2 - 1, X[place] * Y[place])
            )
            for h in strengths
        )
        derivative = (up - down) / (2 * step * posterior.nbeta)
        assert derivative == pytest.approx(expected[place], rel=1e-5, abs=1e-12)


def test_needs_a_tether() -> None:
    with pytest.raises(ValueError, match="localization"):
        Posterior((0.0, 0.0), 1.0, 0.0)

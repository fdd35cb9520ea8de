"""Normal crossings: exact coefficients, and excess losses against independent integration."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from stagewise.theory.aoyagi import LearningCoefficient
from stagewise.theory.normal_crossing import (
    monomial_coefficient,
    monomial_excess,
    sum_coefficient,
    sum_excess,
    two_component_excess,
)


@pytest.mark.parametrize(
    ("k", "h", "value", "multiplicity"),
    [
        ((0, 1), (0, 0), Fraction(1, 2), 1),
        ((1, 0), (0, 0), Fraction(1, 2), 1),
        ((1, 2), (0, 0), Fraction(1, 4), 1),
        ((1, 3), (0, 0), Fraction(1, 6), 1),
        ((1, 3), (1, 0), Fraction(1, 6), 1),
        ((3, 1), (1, 1), Fraction(1, 3), 1),
        ((1, 1), (0, 0), Fraction(1, 2), 2),
        ((2, 1), (2, 2), Fraction(3, 4), 1),
        ((2, 3), (0, 4), Fraction(1, 4), 1),
        ((1, 1), (1, 1), Fraction(1), 2),
        ((4, 1), (6, 3), Fraction(7, 8), 1),
        ((3, 1), (3, 2), Fraction(2, 3), 1),
        ((2, 2, 2, 0), (0, 0, 0, 9), Fraction(1, 4), 3),
    ],
)
def test_monomial_coefficients(
    k: tuple[int, ...], h: tuple[int, ...], value: Fraction, multiplicity: int
) -> None:
    assert monomial_coefficient(k, h) == LearningCoefficient(value, multiplicity)


def test_sum_coefficients() -> None:
    assert sum_coefficient((2, 2, 2)) == Fraction(3, 2)
    assert sum_coefficient((2, 4, 6)) == Fraction(11, 12)


def reference_with_gaussian_second(
    k1: int, h: tuple[int, int], n_beta: float, gamma: float
) -> float:
    """n beta E[w_1^(2 k_1) w_2^2] with the second coordinate integrated by the Gamma function."""

    def inner(w: float) -> float:  # half of the coefficient of w_2^2
        return n_beta * w ** (2 * k1) + gamma / 2

    def mass(w: float) -> float:
        return w ** h[0] * np.exp(-gamma * w**2 / 2) * (inner(w) * 2 / gamma) ** (-(h[1] + 1) / 2)

    def energy(w: float) -> float:
        return mass(w) * n_beta * w ** (2 * k1) * (h[1] + 1) / (2 * inner(w))

    return by_pieces(energy) / by_pieces(mass)


def by_pieces(function: Callable[[float], float]) -> float:
    edges = [0.0, *np.geomspace(1e-7, 100, 28)]
    return sum(
        quad(function, a, b, epsabs=0, epsrel=1e-10)[0]
        for a, b in pairwise(edges)
        if function((a + b) / 2) > 0
    )


@pytest.mark.parametrize("n_beta", [0.1, 145.0, 1e6, 1e10])
@pytest.mark.parametrize(
    ("k1", "h"), [(1, (0, 0)), (1, (1, 1)), (2, (2, 2)), (3, (1, 1)), (3, (3, 2)), (4, (6, 3))]
)
def test_monomial_excess_against_one_dimensional_quadrature(
    k1: int, h: tuple[int, int], n_beta: float
) -> None:
    expected = reference_with_gaussian_second(k1, h, n_beta, 1.0)
    assert monomial_excess((k1, 1), h, n_beta=n_beta, localization=1.0) == pytest.approx(
        expected, rel=1e-7
    )


@pytest.mark.parametrize("k", [(1, 2), (1, 3), (2, 3), (6, 6)])
@pytest.mark.parametrize("h", [(0, 0), (1, 0), (0, 4), (6, 6)])
def test_monomial_excess_against_a_plain_grid(k: tuple[int, int], h: tuple[int, int]) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(500)
    w, dw = 5 * (nodes + 1), 5 * weights
    energy = 7.0 * np.outer(w ** (2 * k[0]), w ** (2 * k[1]))
    prior = np.outer(dw * w ** h[0], dw * w ** h[1])
    density = prior * np.exp(-energy - 1.5 * (w[:, None] ** 2 + w**2))
    expected = (density * energy).sum() / density.sum()
    got = monomial_excess(k, h, n_beta=14.0, localization=3.0, scale=0.5)
    assert got == pytest.approx(expected, rel=1e-6)


def test_monomial_in_one_coordinate_is_the_gaussian_answer() -> None:
    for n_beta, gamma in ((1.0, 1.0), (1e4, 3.0), (1e10, 0.1)):
        expected = n_beta / (2 * n_beta + gamma)
        for k in ((0, 1), (1, 0)):
            got = monomial_excess(k, (0, 0), n_beta=n_beta, localization=gamma)
            assert got == pytest.approx(expected, rel=1e-9)


def test_monomial_excess_has_the_symmetries_of_its_potential() -> None:
    base = monomial_excess((2, 3), (1, 4), n_beta=1e5, localization=2.0)
    swapped = monomial_excess((3, 2), (4, 1), n_beta=1e5, localization=2.0)
    assert swapped == pytest.approx(base, rel=1e-12)
    scaled = monomial_excess((2, 3), (1, 4), n_beta=1e4, localization=2.0, scale=10.0)
    assert scaled == pytest.approx(base, rel=1e-12)
    # w -> w / 2 takes gamma to 4 gamma and n beta to 2^10 n beta
    shrunk = monomial_excess((2, 3), (1, 4), n_beta=1e5 * 2**10, localization=8.0)
    assert shrunk == pytest.approx(base, rel=1e-9)


@pytest.mark.parametrize(
    ("k", "h"), [((1, 2), (0, 0)), ((1, 3), (1, 0)), ((3, 1), (3, 2)), ((4, 1), (6, 3))]
)
def test_simple_minimum_is_approached_as_n_grows(k: tuple[int, int], h: tuple[int, int]) -> None:
    limit = float(monomial_coefficient(k, h).value)
    errors = [
        abs(monomial_excess(k, h, n_beta=n, localization=1.0) / limit - 1)
        for n in (1e4, 1e8, 1e12, 1e16)
    ]
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[-1] < 0.02


@pytest.mark.parametrize(
    ("k", "h"), [((1, 1), (0, 0)), ((2, 2), (1, 1)), ((3, 1), (2, 0)), ((6, 6), (6, 6))]
)
def test_double_minimum_is_approached_as_one_over_log_n(
    k: tuple[int, int], h: tuple[int, int]
) -> None:
    exact = monomial_coefficient(k, h)
    assert exact.multiplicity == 2
    # Z ~ N^-lambda (log N + C), so lambda - excess = 1 / (log N + C)
    gaps = [
        float(exact.value) - monomial_excess(k, h, n_beta=n, localization=1.0) for n in (1e30, 1e34)
    ]
    assert 1 / gaps[1] - 1 / gaps[0] == pytest.approx(np.log(1e4), rel=2e-3)


def test_sum_excess_without_tether_is_the_coefficient_at_every_n() -> None:
    for n_beta in (1e-3, 1.0, 145.0, 1e10):
        for powers in ((2,), (2, 2, 2), (2, 4, 6), (4, 8), (1, 3, 12)):
            got = sum_excess(powers, n_beta=n_beta, localization=0.0)
            assert got == pytest.approx(float(sum_coefficient(powers)), rel=1e-11)
    scaled = sum_excess((4, 6), n_beta=145.0, localization=0.0, scales=(1e-3, 1e5))
    assert scaled == pytest.approx(5 / 12, rel=1e-11)


@pytest.mark.parametrize("n_beta", [1e-2, 145.0, 1e10])
@pytest.mark.parametrize("gamma", [1e-3, 1.0, 1e4])
def test_sum_excess_with_tether_against_quadrature(n_beta: float, gamma: float) -> None:
    powers, scales = (2, 4, 6), (0.5, 1.0, 3.0)

    def term(p: int, s: float) -> float:
        def mass(w: float) -> float:
            return float(np.exp(-n_beta * s * w**p - gamma / 2 * w**2))

        return by_pieces(lambda w: n_beta * s * w**p * mass(w)) / by_pieces(mass)

    expected = sum(term(p, s) for p, s in zip(powers, scales, strict=True))
    got = sum_excess(powers, n_beta=n_beta, localization=gamma, scales=scales)
    assert got == pytest.approx(expected, rel=1e-7)
    assert got < float(sum_coefficient(powers))


@pytest.mark.parametrize(
    ("k1", "k2", "n_beta", "gamma", "centre"),
    [
        (1, 2, 145.0, 1.0, (0.0, 0.0)),
        (1, 2, 145.0, 1.0, (1.0, 0.3)),
        (2, 1, 50.0, 3.0, (1.0, 0.3)),
        (1, 1, 145.0, 100.0, (0.0, 0.0)),
        (1, 3, 20.0, 5.0, (0.4, -0.2)),
    ],
)
def test_two_components_against_nested_quadrature(
    k1: int, k2: int, n_beta: float, gamma: float, centre: tuple[float, float]
) -> None:
    def energy(x: float, y: float) -> float:
        return n_beta * 0.7 * ((x - 1) ** k1 * (x * x + y * y) ** k2) ** 2

    def weight(x: float, y: float) -> float:
        distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
        return float(np.exp(-energy(x, y) - gamma / 2 * distance))

    near = np.geomspace(1e-5, 0.4, 8)
    x_edges = [-8.0, -2.0, *(-near[::-1]), 0.0, 0.3, *(1 - near[::-1]), *(1 + near), 2.0, 4.0, 9.0]
    y_edges = [-8.0, -3.0, *(-near[::-3]), 0.0, *near[::3], 3.0, 8.0]

    def nested(function: Callable[[float, float], float]) -> float:
        def over_x(y: float) -> float:
            return sum(quad(function, *ab, args=(y,), epsabs=1e-9)[0] for ab in pairwise(x_edges))

        return sum(quad(over_x, *ab, epsabs=1e-7, epsrel=1e-6)[0] for ab in pairwise(y_edges))

    excess = nested(lambda x, y: energy(x, y) * weight(x, y))
    got = two_component_excess(k1, k2, n_beta=n_beta, localization=gamma, centre=centre, scale=0.7)
    assert got == pytest.approx(excess / nested(weight), rel=1e-5)


def test_strong_tether_isolates_each_component() -> None:
    # on the line: 1 / (2 k1)
    for k1, k2 in ((1, 2), (2, 1)):
        got = two_component_excess(k1, k2, n_beta=1e14, localization=1e4, centre=(1.0, 0.3))
        assert got == pytest.approx(1 / (2 * k1), rel=0.02)
    # at the origin: 1 / (2 k2); K is nearly r^(4 k2) there, a radial integral
    n_beta, gamma, k2 = 1e12, 400.0, 2

    def mass(r: float) -> float:
        return float(r * np.exp(-n_beta * r ** (4 * k2) - gamma / 2 * r * r))

    radial = by_pieces(lambda r: n_beta * r ** (4 * k2) * mass(r)) / by_pieces(mass)
    got = two_component_excess(1, k2, n_beta=n_beta, localization=gamma, centre=(0.0, 0.0))
    assert got == pytest.approx(radial, rel=0.005)
    assert got == pytest.approx(1 / (2 * k2), rel=0.1)


def test_weak_tether_lets_the_most_singular_component_win_from_either_centre() -> None:
    for centre in ((0.0, 0.0), (1.0, 0.3)):
        got = two_component_excess(1, 2, n_beta=1e10, localization=1.0, centre=centre)
        assert got == pytest.approx(1 / 4, rel=0.02)


def test_two_components_in_a_wide_posterior_far_from_both() -> None:
    # mirror image in the second coordinate, and a scale that only multiplies n beta
    options = {"localization": 0.01}
    up = two_component_excess(2, 1, n_beta=1e6, centre=(3.0, 2.0), **options)
    down = two_component_excess(2, 1, n_beta=1e4, centre=(3.0, -2.0), scale=100.0, **options)
    assert up == pytest.approx(down, rel=1e-9)
    assert 0.25 < up < 0.5


def test_improper_or_malformed_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="localization must be positive"):
        monomial_excess((1, 1), (0, 0), n_beta=10.0, localization=0.0)
    with pytest.raises(ValueError, match="localization must be positive"):
        two_component_excess(1, 1, n_beta=10.0, localization=0.0, centre=(0.0, 0.0))
    with pytest.raises(ValueError, match="k1 and k2 must be positive"):
        two_component_excess(0, 1, n_beta=10.0, localization=1.0, centre=(0.0, 0.0))
    with pytest.raises(ValueError, match="n_beta must be positive"):
        sum_excess((2,), n_beta=0.0, localization=0.0)
    with pytest.raises(ValueError, match="must not be negative"):
        sum_excess((2,), n_beta=1.0, localization=-1.0)
    with pytest.raises(ValueError, match="2 powers but 1 scales"):
        sum_excess((2, 4), n_beta=1.0, localization=0.0, scales=(1.0,))
    with pytest.raises(ValueError, match="two coordinates"):
        monomial_excess((1, 1, 1), (0, 0, 0), n_beta=10.0, localization=1.0)
    with pytest.raises(ValueError, match="K is constant"):
        monomial_coefficient((0, 0), (1, 1))
    with pytest.raises(ValueError, match="one entry a coordinate"):
        monomial_coefficient((1, 2), (0,))
    with pytest.raises(ValueError, match="must not be negative"):
        monomial_coefficient((1, 2), (0, -1))
    with pytest.raises(ValueError, match="powers must be positive"):
        sum_coefficient((2, 0))

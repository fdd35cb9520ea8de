"""The toy model of superposition: closed form, polygons, coefficients, transitions."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import null_space
from scipy.optimize import minimize

from stagewise.theory.superposition import (
    PHASES_6,
    critical_sample_size,
    every_acute_pair_leaks,
    parse_phase,
    polygon,
    polygon_coefficient,
    polygon_loss,
    polygon_parameters,
    potential,
    potential_by_integration,
)

TABLE = {
    4: (1.0, 0.0),
    5: (1.17046, -0.28230),
    6: (1.32053, -0.61814),
    7: (1.44839, -0.96691),
    8: (1.55045, -1.29119),
    12: (1.03322, -0.46654),
}
CASES = [(k, c, s) for k in range(4, 9) for c in range(k, 9) for s in range(c - k + 1)]
SADDLES = [(k, c, s) for k, c, s in CASES if k > 4 and 0 < s < c - k]


def gradient(W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact gradient, flattened W then b, by differentiating under the integral of the loss."""
    nodes, weights = np.polynomial.legendre.leggauss(3)
    gram, c = W.T @ W, len(b)
    d_gram, d_b = np.zeros_like(gram), np.zeros(c)
    for i, slopes in enumerate(gram):
        kinks = -b[slopes != 0] / slopes[slopes != 0]
        edges = np.concatenate([[0.0], np.sort(kinks[(kinks > 0) & (kinks < 1)]), [1.0]])
        half = np.diff(edges)[:, None] / 2
        mu = (edges[:-1, None] + half * (nodes + 1)).ravel()
        before = np.outer(mu, slopes) + b
        error = np.maximum(before, 0)
        error[:, i] -= mu
        pull = 2 * error * (before > 0) * (half * weights).ravel()[:, None]
        d_b += pull.sum(axis=0)
        d_gram[i] += mu @ pull
    return np.concatenate([(W @ (d_gram + d_gram.T)).ravel(), d_b]) / c


def flat(w: np.ndarray, c: int) -> np.ndarray:
    return gradient(w[: 2 * c].reshape(2, c), w[2 * c :])


def hessian(k: int, c: int, positive: int) -> np.ndarray:
    """Central differences of the exact gradient, error about 1e-9 where the loss is analytic."""
    w = np.concatenate([x.ravel() for x in polygon_parameters(k, c, positive=positive)])
    h = 1e-5
    rows = [(flat(w + h * e, c) - flat(w - h * e, c)) / (2 * h) for e in np.eye(3 * c)]
    return (np.array(rows) + np.array(rows).T) / 2


def normal_space(k: int, c: int, positive: int) -> np.ndarray:
    """Orthonormal columns (3c, non-flat) spanning what the rotation and unused features leave."""
    W, _ = polygon_parameters(k, c, positive=positive)
    rotation = np.concatenate([-W[1], W[0], np.zeros(c)])
    flats = [rotation]
    for unused in range(k + positive, c):
        own = (2 * c + unused,) if k == 4 else (unused, c + unused, 2 * c + unused)
        flats += [np.eye(3 * c)[coordinate] for coordinate in own]
    return null_space(np.array(flats))


def random_points() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(2, c)), rng.normal(scale=0.5, size=c))
        for c in range(4, 9)
        for _ in "x" * 40
    ]


def test_closed_form_is_the_integral_at_random_points() -> None:
    points = random_points()
    assert len(points) == 200
    for W, b in points:
        # both are exact up to rounding
        assert potential(W, b) == pytest.approx(potential_by_integration(W, b), rel=1e-12)


def test_integration_is_the_definition() -> None:
    for W, b in random_points()[::40]:
        c = len(b)

        def loss(mu: float, i: int, W: np.ndarray = W, b: np.ndarray = b) -> float:
            x = mu * np.eye(len(b))[i]
            return float(((x - np.maximum(W.T @ (W @ x) + b, 0)) ** 2).sum())

        expected = sum(quad(loss, 0, 1, args=(i,), limit=200)[0] for i in range(c)) / c
        assert potential_by_integration(W, b) == pytest.approx(expected, rel=1e-7)


def test_degenerate_parameters_have_their_obvious_loss() -> None:
    zero = np.zeros((2, 5))
    for value in (potential, potential_by_integration):
        assert value(zero, np.full(5, -1.0)) == pytest.approx(1 / 3)
        assert value(zero, np.zeros(5)) == pytest.approx(1 / 3)
        # constant outputs 1/10: 5 outputs of 1/100 and -2 (1/10)(1/2) for the active one
        assert value(zero, np.full(5, 0.1)) == pytest.approx(1 / 3 + 0.05 - 0.1)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 5\) and \(4,\)"):
        potential(np.zeros((2, 5)), np.zeros(4))


@pytest.mark.parametrize("k", TABLE)
def test_polygon_reproduces_the_published_length_and_bias(k: int) -> None:
    assert polygon(k, k) == pytest.approx(TABLE[k], abs=2e-5)


@pytest.mark.parametrize(("k", "c", "positive"), CASES)
def test_every_polygon_is_critical_in_all_parameters(k: int, c: int, positive: int) -> None:
    slope = gradient(*polygon_parameters(k, c, positive=positive))
    assert np.linalg.norm(slope) < 1e-12


def test_a_displaced_polygon_is_not_critical() -> None:
    W, b = polygon_parameters(5, 6)
    assert np.linalg.norm(gradient(W * 1.01, b)) > 1e-3
    assert np.linalg.norm(gradient(W, b + 0.01)) > 1e-3


def test_larger_polygons_leave_the_published_chamber_but_are_critical() -> None:
    # the paper's list of missing c-gons (9, 10, 11, 13) and of present ones
    leaks = {c: every_acute_pair_leaks(c, c) for c in range(4, 14)}
    assert [c for c, all_leak in leaks.items() if not all_leak] == [9, 10, 11, 13]
    for c in (9, 10, 11, 13):
        length, _ = polygon(c, c)
        assert length > 1
        assert np.linalg.norm(gradient(*polygon_parameters(c, c))) < 1e-12


@pytest.mark.parametrize(
    ("k", "c"),
    [(2, 6), (7, 6)],
)
def test_impossible_polygons_are_refused(k: int, c: int) -> None:
    with pytest.raises(ValueError, match="3 <= k <= c"):
        polygon(k, c)


def test_impossible_unused_biases_are_refused() -> None:
    with pytest.raises(ValueError, match="1 unused biases, not 2"):
        polygon_parameters(5, 6, positive=2)
    with pytest.raises(ValueError, match="must be negative"):
        polygon_parameters(5, 6, unused_bias=0.0)


@pytest.mark.parametrize(
    ("k", "c", "positive", "loss"),
    [
        (4, 6, 0, 0.11111),
        (4, 6, 1, 0.10417),
        (5, 6, 0, 0.06874),
        (5, 6, 1, 0.06180),
        (6, 6, 0, 0.04819),
        (4, 5, 0, 0.06667),
        (4, 5, 1, 0.05667),
        (5, 5, 0, 0.01583),
    ],
)
def test_published_losses(k: int, c: int, positive: int, loss: float) -> None:
    assert polygon_loss(k, c, positive) == pytest.approx(loss, abs=1e-5)


def test_losses_follow_the_general_formula() -> None:
    h = {4: 0.0, 5: 0.23738, 6: 0.86746, 7: 1.74870, 8: 2.77311}
    for k, c, positive in CASES:
        expected = (h[k] + c - k) / (3 * c) - positive / (4 * c**2)
        assert polygon_loss(k, c, positive) == pytest.approx(expected, abs=1e-6)
    assert polygon_loss(5, 6) - polygon_loss(5, 6, 1) == pytest.approx(1 / 144, abs=1e-12)


def test_loss_does_not_depend_on_an_unused_negative_bias() -> None:
    losses = [potential(*polygon_parameters(5, 6, unused_bias=-x)) for x in (0.1, 0.5, 3.0)]
    assert max(losses) - min(losses) < 1e-15


def test_tabulated_coefficients() -> None:
    table = {"4": 15, "4+": 16, "4++": 17, "5": 14, "5+": 17, "6": 17}
    assert tuple(table) == PHASES_6
    for phase, twice in table.items():
        k, positive = parse_phase(phase)
        assert polygon_coefficient(k, 6, positive) == Fraction(twice, 2)


@pytest.mark.parametrize(
    ("k", "c", "positive"), [case for case in CASES if case[0] > 4 and case not in SADDLES]
)
def test_hessian_is_positive_on_exactly_the_counted_directions(
    k: int, c: int, positive: int
) -> None:
    curvature = hessian(k, c, positive)
    normal = normal_space(k, c, positive)
    assert Fraction(normal.shape[1], 2) == polygon_coefficient(k, c, positive)
    assert np.linalg.eigvalsh(normal.T @ curvature @ normal)[0] > 1e-3
    tangent = null_space(normal.T)
    assert np.abs(curvature @ tangent).max() < 1e-7


@pytest.mark.parametrize(("c", "positive"), [(c, s) for k, c, s in CASES if k == 4])
def test_four_gon_grows_quadratically_in_exactly_the_counted_directions(
    c: int, positive: int
) -> None:
    W, b = polygon_parameters(4, c, positive=positive)
    w = np.concatenate([W.ravel(), b])
    normal = normal_space(4, c, positive)
    assert Fraction(normal.shape[1], 2) == polygon_coefficient(4, c, positive)
    radius, lowest = 1e-4, potential(W, b)

    def growth(u: np.ndarray) -> tuple[float, np.ndarray]:
        norm = np.linalg.norm(u)
        moved = w + radius * normal @ (u / norm)
        value = (potential(moved[: 2 * c].reshape(2, c), moved[2 * c :]) - lowest) / radius**2
        slope = normal.T @ flat(moved, c) / radius
        return value, (slope - (slope @ u) * u / norm**2) / norm

    rng = np.random.default_rng(c)
    starts = rng.normal(size=(6, normal.shape[1]))
    smallest = min(minimize(growth, u, jac=True, method="L-BFGS-B").fun for u in starts)
    # the smallest of all cases is 3.2e-5, at c = 8 with two positive biases
    assert smallest > 1e-5
    # and the unused negative biases really are flat
    for unused in range(4 + positive, c):
        moved = b.copy()
        moved[unused] += 0.1
        assert potential(W, moved) == lowest


@pytest.mark.parametrize(("k", "c", "positive"), SADDLES)
def test_mixed_unused_biases_make_a_saddle_without_coefficient(
    k: int, c: int, positive: int
) -> None:
    assert np.linalg.eigvalsh(hessian(k, c, positive))[0] < -1e-4
    with pytest.raises(ValueError, match="is a saddle"):
        polygon_coefficient(k, c, positive)


def test_unestablished_coefficients_are_refused() -> None:
    for k, c in ((3, 6), (9, 9), (5, 9)):
        with pytest.raises(ValueError, match="not established"):
            polygon_coefficient(k, c)
    with pytest.raises(ValueError, match="1 unused biases"):
        polygon_coefficient(5, 6, 2)


def test_phase_names() -> None:
    assert parse_phase("5+") == (5, 1)
    assert parse_phase("4++") == (4, 2)
    assert parse_phase("12") == (12, 0)
    for bad in ("", "+", "5-", "+5", "x"):
        with pytest.raises(ValueError, match="a phase reads"):
            parse_phase(bad)


def test_critical_sample_size_of_the_last_transition() -> None:
    assert critical_sample_size("5", "6", 6, prior=True) == pytest.approx(601, abs=1)
    assert critical_sample_size("5", "6", 6, prior=False) == pytest.approx(445, abs=1)


def test_critical_sample_size_solves_its_equation() -> None:
    # prior costs |w|^2 / 2 as published
    cost = {"4": 2.0, "4+": 2.00347, "5": 3.62417, "5+": 3.62764, "6": 6.37767}
    for a, b in (("5", "6"), ("4", "6"), ("4+", "6"), ("4", "5"), ("4", "5+"), ("5+", "6")):
        n = critical_sample_size(a, b, 6, prior=True)
        (k_a, s_a), (k_b, s_b) = parse_phase(a), parse_phase(b)
        residual = (
            n * (polygon_loss(k_b, 6, s_b) - polygon_loss(k_a, 6, s_a))
            + float(polygon_coefficient(k_b, 6, s_b) - polygon_coefficient(k_a, 6, s_a)) * np.log(n)
            + cost[b]
            - cost[a]
        )
        assert residual == pytest.approx(0, abs=4e-5)  # digits printed


def test_impossible_transitions_are_refused() -> None:
    with pytest.raises(ValueError, match="lower loss"):
        critical_sample_size("6", "5", 6, prior=True)
    with pytest.raises(ValueError, match="do not cross"):
        critical_sample_size("4", "5", 6, prior=False)

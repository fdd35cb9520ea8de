"""Known curves and their marks; random walks and the law of their principal components."""

import numpy as np
import pytest

from stagewise.estimators.essential_dynamics import (
    Components,
    components,
    forms,
    gram,
    nearest,
    random_walks,
    smoothed,
)
from stagewise.estimators.plane_curves import curvature, cusps, evolute, vertices


def test_components_are_those_of_the_outputs() -> None:
    random = np.random.default_rng(0)
    outputs = random.standard_normal((12, 50)) * np.linspace(3, 0.1, 50)
    found = components(gram(outputs), 3)
    centred = outputs - outputs.mean(0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    assert found.shares == pytest.approx(values[:3] ** 2 / (values**2).sum())
    assert np.abs(found.scores) == pytest.approx(np.abs(centred @ directions[:3].T))


def test_a_cusp_is_found_where_it_is() -> None:
    t = np.linspace(-1, 1, 401)
    plane = np.stack([t**2, t**3], axis=1)
    assert cusps(t, plane, np.full(401, 0.05)) == pytest.approx([0], abs=0.01)
    slow = np.stack([t**3 + 0.01 * t, 0 * t], axis=1)  # it slows down and goes straight on
    assert cusps(t, slow, np.full(401, 0.05)) == []


def test_an_ellipse_has_four_vertices_and_no_cusp() -> None:
    t = np.linspace(-0.3, 2 * np.pi - 0.3, 2001)
    plane, widths = np.stack([2 * np.cos(t), np.sin(t)], axis=1), np.full(2001, 0.05)
    found = vertices(t, plane, widths)
    assert found == pytest.approx([0, np.pi / 2, np.pi, 3 * np.pi / 2], abs=0.01)
    assert cusps(t, plane, widths) == []
    kappa = curvature(t, plane)
    assert kappa[5:-5].min() == pytest.approx(0.25, rel=0.01)  # b / a^2 and a / b^2
    assert kappa[5:-5].max() == pytest.approx(2, rel=0.01)
    centre = evolute(t, plane)[np.abs(t).argmin()]
    assert centre == pytest.approx([2 - 0.5, 0], abs=0.01)


def test_random_walks_have_the_law_of_their_components() -> None:
    """Equal steps in many dimensions: the k-th component explains 6 / (pi k)^2."""
    steps = np.eye(301)[1:] - np.eye(301)[:-1]  # orthogonal up to neighbours; norms are equal
    products = gram(np.cumsum(steps, axis=0))
    shares = np.array(
        [
            components(walk).shares
            for walk in random_walks(products, dimension=50_000, count=3, seed=0)
        ]
    )
    assert shares.mean(0) == pytest.approx(6 / np.pi**2 / np.array([1, 4, 9]), abs=0.01)


def test_random_walks_keep_the_norms_of_the_steps() -> None:
    random = np.random.default_rng(1)
    outputs = np.cumsum(random.standard_normal((9, 40)) * np.arange(1, 10)[:, None], axis=0)
    (walk,) = random_walks(gram(outputs), dimension=40, count=1, seed=0)
    squares = np.diag(walk)[1:] + np.diag(walk)[:-1] - 2 * np.diag(walk, 1)
    assert squares == pytest.approx((np.diff(outputs, axis=0) ** 2).sum(1))
    with pytest.raises(ValueError, match="dimension"):
        next(random_walks(gram(outputs), dimension=5, count=1, seed=0))


def test_walks_in_few_dimensions_are_those_of_random_directions() -> None:
    """Bartlett's root against directions drawn one by one: the same mean explained variance."""
    random = np.random.default_rng(2)
    products = gram(np.cumsum(random.standard_normal((16, 20)), axis=0))
    norms = np.sqrt(np.diag(products)[1:] + np.diag(products)[:-1] - 2 * np.diag(products, 1))
    ours = [components(w).shares for w in random_walks(products, dimension=20, count=400, seed=0)]
    drawn = []
    for _ in range(400):
        steps = random.standard_normal((15, 20))
        steps *= (norms / np.linalg.norm(steps, axis=1))[:, None]
        drawn.append(components(gram(np.vstack([np.zeros(20), np.cumsum(steps, 0)]))).shares)
    error = np.std(drawn, axis=0) * (2 / 400) ** 0.5
    assert (np.abs(np.mean(ours, 0) - np.mean(drawn, 0)) < 4 * error).all()


def test_smoothing_keeps_a_line_and_its_width_grows() -> None:
    line = Components(np.arange(30.0)[:, None] * [1, 2, 3], np.ones(3))
    curve = smoothed(line.scores, (1.0, 2.0))
    inner = (curve.places > 6) & (curve.places < 22)
    assert curve.points[inner, 0] == pytest.approx(curve.places[inner], abs=0.02)
    assert (curve.widths[0], curve.widths[-1]) == (1, 2)
    assert forms(curve) == []


def test_a_turn_of_all_components_is_a_form() -> None:
    places = np.arange(41)
    back = np.abs(places - 20.0)
    turn = np.stack([back, 0.5 * back**1.1, back + 0.3 * (places > 20)], axis=1)
    curve = smoothed(turn, (1.0, 1.0))
    assert nearest(forms(curve), [20.0], curve) < 0.5
    assert nearest([], [20.0], curve) == np.inf

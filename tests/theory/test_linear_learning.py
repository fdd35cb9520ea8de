"""Learning and influence in two-layer linear networks, against descent and differentiation."""

import numpy as np
import pytest
import torch

from stagewise.data.semantic_hierarchy import modes, tree
from stagewise.theory.linear_learning import (
    Change,
    aligned,
    analytic_influence,
    derivatives,
    flow,
    gradient_kernel,
    half_time,
    mode_sensitivity,
    mode_strength,
    second_order_covariance,
    sensitivity,
)

random = np.random.default_rng(0)
Y = random.standard_normal((4, 3))
W1 = random.standard_normal((5, 3)) / 2
W2 = random.standard_normal((4, 5)) / 2
NOTHING = Change(0, 0.0)


def torch_losses(flat: torch.Tensor) -> torch.Tensor:
    one, two = flat[:15].reshape(5, 3), flat[15:].reshape(4, 5)
    return ((two @ one - torch.from_numpy(Y)) ** 2).sum(0) / 2


def test_modes_grow_as_descent_makes_them() -> None:
    targets, right = tree(), modes()
    values = np.linalg.norm(targets @ right, axis=0)
    start = aligned(targets, width=16, start=1e-3, seed=0)
    _, products = flow(*start, targets, [NOTHING], rate=0.005, steps=6000, every=200)
    found = np.einsum("pm,tpi,im->tm", targets @ right / values, products[0], right)
    times = np.arange(31.0)
    expected = [mode_strength(times, s, items=8, start=1e-3) for s in values]
    assert np.abs(found - np.stack(expected, 1)).max() < 0.008


def test_half_time_is_half_way() -> None:
    time = half_time(2.0, items=8, start=1e-3)
    assert np.isclose(mode_strength([time], 2.0, items=8, start=1e-3)[0], 1.0)


def test_sensitivity_of_a_mode_to_its_singular_value() -> None:
    times, h = np.linspace(0, 40, 9), 1e-6
    up, down = (mode_strength(times, 2 + d, items=8, start=1e-3) for d in (h, -h))
    found = mode_sensitivity(times, 2.0, items=8, start=1e-3)
    assert np.allclose(found, (up - down) / (2 * h), rtol=1e-5, atol=1e-8)


def test_derivatives_are_those_of_torch() -> None:
    flat = torch.from_numpy(np.concatenate([W1.ravel(), W2.ravel()]))
    gradients, factors, core = derivatives(W1, W2, Y)
    assert np.allclose(gradients, torch.autograd.functional.jacobian(torch_losses, flat).numpy())
    for item, factor in enumerate(factors):
        expected = torch.autograd.functional.hessian(lambda w, i=item: torch_losses(w)[i], flat)
        assert np.allclose(factor @ core @ factor.T, expected.numpy())
    assert np.allclose(gradient_kernel(W1, W2, Y), gradients @ gradients.T)


def test_strong_localization_gives_the_gradient_kernel() -> None:
    kernel = gradient_kernel(W1, W2, Y)
    apart = [
        np.abs(gamma * second_order_covariance(W1, W2, Y, nbeta=3, localization=gamma) - kernel)
        for gamma in (1e4, 1e5)
    ]
    assert apart[1].max() < 1e-3
    assert 8 < apart[0].max() / apart[1].max() < 12  # the next order is 1 / gamma^2


def test_covariance_of_draws_of_the_tether() -> None:
    gamma = 1e3
    scale = 1 / gamma**0.5
    one = W1 + scale * random.standard_normal((100_000, 5, 3))
    two = W2 + scale * random.standard_normal((100_000, 4, 5))
    losses = ((two @ one - Y) ** 2).sum(1) / 2
    expected = second_order_covariance(W1, W2, Y, nbeta=0, localization=gamma)
    assert np.allclose(np.cov(losses.T), expected, atol=0.02 * np.abs(expected).max())


def test_without_an_item_is_training_without_it() -> None:
    """Its weight zero from the start, the others' are still divided by all items."""
    changes = [Change(2, -1.0)]
    losses, _ = flow(W1, W2, Y, changes, rate=0.02, steps=50, every=50)
    one, two = W1.copy(), W2.copy()
    for _ in range(50):
        error = (two @ one - Y) * np.array([1.0, 1.0, 0.0]) * 0.02 / 3
        one, two = one - two.T @ error, two - error @ one.T
    assert np.allclose(losses[0, -1], ((two @ one - Y) ** 2).sum(0) / 2)


def test_a_window_changes_nothing_before_it() -> None:
    changes = [NOTHING, Change(1, -1.0, start=0.5, end=0.7)]
    losses, _ = flow(W1, W2, Y, changes, rate=0.02, steps=50, every=5)
    assert np.array_equal(losses[0, :6], losses[1, :6])
    assert not np.allclose(losses[0, 6], losses[1, 6])


def test_analytic_influence_has_the_shape_of_the_sensitivity() -> None:
    start = aligned(tree(), width=16, start=1e-3, seed=0)
    exactly = sensitivity(*start, tree(), 0, rate=0.02, steps=2000, every=100)
    analytic = analytic_influence(tree(), 0, 2.0 * np.arange(21), start=1e-3)
    correlations = [np.corrcoef(exactly[:, j], analytic[:, j])[0, 1] for j in range(8)]
    assert min(correlations) > 0.95


def test_no_local_gaussian_is_named() -> None:
    with pytest.raises(ValueError, match="no local Gaussian"):
        second_order_covariance(W1, W2, Y, nbeta=1e4, localization=1e-3)

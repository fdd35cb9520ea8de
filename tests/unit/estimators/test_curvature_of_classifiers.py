"""Gauss-Newton matrices, whole and in Kronecker factors, and the projected kernel."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian

from stagewise.estimators.gauss_newton import gauss_newton, label_gradients
from stagewise.estimators.kronecker_factors import kronecker_factors, preconditioned
from stagewise.estimators.projected_kernel import projected_kernel


@pytest.fixture
def linear():
    """Softmax regression, whose Gauss-Newton matrix is its Hessian: inputs, labels, weights."""
    random = np.random.default_rng(0)
    return random.normal(size=(40, 3)), random.integers(0, 4, 40), random.normal(size=(4, 3))


def _probabilities(x, w):
    scores = np.exp(x @ w.T)
    return scores / scores.sum(1, keepdims=True)


def _jacobians(x):
    return np.einsum("cd,si->scdi", np.eye(4), x).reshape(len(x), 4, -1)


def test_gauss_newton_is_the_hessian_of_softmax_regression(linear):
    x, y, w = linear

    def loss(weights):
        scores = torch.from_numpy(x) @ weights.reshape(4, 3).T
        return torch.nn.functional.cross_entropy(scores, torch.from_numpy(y))

    wanted = hessian(loss, torch.from_numpy(w).flatten()).numpy()
    assert gauss_newton(_jacobians(x), _probabilities(x, w)) == pytest.approx(wanted)


@pytest.mark.parametrize("corrected", [False, True])
def test_factors_are_exact_for_one_sample(linear, corrected):
    x, _, w = linear
    one = x[:1]
    chances = _probabilities(one, w)
    backward = label_gradients(np.broadcast_to(np.eye(4), (1, 4, 4)), chances)
    factors = kronecker_factors(one, backward, corrected=corrected)
    gradients = np.random.default_rng(1).normal(size=(5, 4, 3))
    turned = preconditioned(gradients, factors, 0.1)
    matrix = gauss_newton(_jacobians(one), chances) + 0.1 * np.eye(12)
    flat = gradients.reshape(5, -1)
    assert turned @ turned.T == pytest.approx(flat @ np.linalg.solve(matrix, flat.T))


def test_corrected_eigenvalues_are_those_of_the_matrix_in_that_basis(linear):
    x, _, w = linear
    chances = _probabilities(x, w)
    backward = label_gradients(np.broadcast_to(np.eye(4), (40, 4, 4)), chances)
    factors = kronecker_factors(x, backward, corrected=True)
    basis = np.kron(factors.outputs, factors.inputs)
    matrix = basis.T @ gauss_newton(_jacobians(x), chances) @ basis
    assert factors.eigenvalues.ravel() == pytest.approx(np.diagonal(matrix))
    plain = kronecker_factors(x, backward, corrected=False)
    apart = np.linalg.norm(np.diag(plain.eigenvalues.ravel()) - matrix)
    assert np.linalg.norm(np.diag(factors.eigenvalues.ravel()) - matrix) < apart


def test_projected_kernel_of_all_directions_is_least_squares():
    random = np.random.default_rng(0)
    train, query = random.normal(size=(30, 6)), random.normal(size=(4, 6))
    chances = random.random(30)
    found = projected_kernel(train, query, chances, width=6, seed=0)
    fitted = np.linalg.solve(train.T @ train, query.T)
    assert found == pytest.approx((1 - chances)[:, None] * (train @ fitted))


def test_projected_kernel_needs_enough_samples():
    with pytest.raises(ValueError, match="width: 31 directions"):
        projected_kernel(np.ones((30, 40)), np.ones((2, 40)), np.ones(30), width=31, seed=0)

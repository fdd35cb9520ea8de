"""The Gauss-Newton kernel against draws, derivatives and limits."""

import numpy as np
import torch
from torch.func import jacrev

from stagewise.theory.local_influence import posterior_covariance, quadratic_covariance
from stagewise.theory.softmax_kernel import (
    factors,
    gauss_newton,
    gradients,
    probabilities,
    softmax_covariances,
)

random = np.random.default_rng(0)
J = random.standard_normal((6, 3, 5))
LOGITS = random.standard_normal((6, 3))
LABELS = np.array([0, 1, 2, 0, 1, 2])


def losses(w: np.ndarray) -> np.ndarray:
    """Cross-entropies (..., sample) of logits linear in w (..., d)."""
    found = LOGITS + np.einsum("ikd,...d->...ik", J, w)
    chosen = np.take_along_axis(found, LABELS[:, None] + np.zeros_like(found[..., :1], int), -1)
    return np.log(np.exp(found).sum(-1)) - chosen[..., 0]


def test_gradients_and_curvature_are_those_of_the_losses() -> None:
    j, logits, labels = torch.tensor(J), torch.tensor(LOGITS), torch.tensor(LABELS)

    def each(w: torch.Tensor) -> torch.Tensor:
        found = logits + torch.einsum("ikd,d->ik", j, w)
        return found.logsumexp(1) - found.gather(1, labels[:, None])[:, 0]

    zero = torch.zeros(5, dtype=torch.float64)
    assert np.allclose(gradients(J, LOGITS, LABELS), jacrev(each)(zero).numpy())
    curved = factors(J, LOGITS)
    second = jacrev(jacrev(each))(zero).numpy()
    assert np.allclose(np.einsum("ikd,ike->ide", curved, curved), second)
    assert np.allclose(gauss_newton(J, LOGITS), second.mean(0))


def test_it_is_the_quadratic_formula() -> None:
    sigma = posterior_covariance(gauss_newton(J, LOGITS), nbeta=10, localization=2)
    curved = factors(J, LOGITS)
    expected = quadratic_covariance(
        gradients(J, LOGITS, LABELS), np.einsum("ikd,ike->ide", curved, curved), sigma
    )
    assert np.allclose(softmax_covariances(J, LOGITS, LABELS, sigma).whole, expected)


def test_it_is_the_covariance_of_small_perturbations() -> None:
    sigma = 1e-3 * np.eye(5)
    u = random.multivariate_normal(np.zeros(5), sigma, 200_000)
    found = softmax_covariances(J, LOGITS, LABELS, sigma).whole
    assert np.allclose(np.cov(losses(u).T), found, atol=0.02 * np.abs(found).max())


def test_the_second_part_is_never_negative_and_all_that_a_perfect_fit_has() -> None:
    sigma = np.eye(5)
    found = softmax_covariances(J, LOGITS, LABELS, sigma)
    assert found.second.min() >= 0
    assert found.first.min() < 0
    fitted = 12.0 * np.eye(3)[LABELS]
    perfect = softmax_covariances(J, fitted, LABELS, 1e4 * sigma)
    assert np.abs(perfect.first).max() < 0.01 * perfect.second.max()


def test_weights_that_are_not_shared_do_not_couple() -> None:
    apart = J.copy()
    apart[:3, :, 2:] = 0
    apart[3:, :, :2] = 0
    sigma = posterior_covariance(gauss_newton(apart, LOGITS), nbeta=10, localization=1)
    found = softmax_covariances(apart, LOGITS, LABELS, sigma).whole
    assert np.abs(found[:3, 3:]).max() < 1e-12 * found.max()


def test_probabilities_of_large_logits() -> None:
    assert np.allclose(probabilities([[1000.0, 1000.0], [0.0, -1000.0]]), [[0.5, 0.5], [1, 0]])

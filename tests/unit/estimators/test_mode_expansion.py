"""Mode expansions: identities, and planted modes."""

import numpy as np
import pytest

from stagewise.data.planted_modes import blocks_of, planted_modes
from stagewise.estimators.mode_expansion import (
    captured,
    coefficients,
    contents,
    expansion,
    modes,
    random_modes,
)

random = np.random.default_rng(0)
TRUTH = planted_modes(24, 12, 3, 0.15, seed=0)
WEIGHTS = random.dirichlet(np.full(24, 5.0))
VALUES = random.standard_normal((6, 24, 12))


@pytest.mark.parametrize("kind", ["modes", "random"])
def test_the_full_expansion_is_an_identity(kind: str) -> None:
    basis = modes(TRUTH, WEIGHTS) if kind == "modes" else random_modes(12, WEIGHTS, random)
    found = coefficients(VALUES, basis, WEIGHTS)
    np.testing.assert_allclose(expansion(found, basis), VALUES, rtol=1e-9, atol=1e-12)
    total = (WEIGHTS[:, None] * VALUES**2).sum((1, 2))
    np.testing.assert_allclose((found**2).sum((1, 2)), total, rtol=1e-9)


def test_bases_are_orthonormal_under_the_weights() -> None:
    basis = modes(TRUTH, WEIGHTS)
    gram = basis.contexts.T @ (WEIGHTS[:, None] * basis.contexts)
    np.testing.assert_allclose(gram, np.eye(24), atol=1e-12)
    np.testing.assert_allclose(basis.tokens.T @ basis.tokens, np.eye(12), atol=1e-12)


def test_modes_give_the_conditional_distribution_back() -> None:
    np.testing.assert_allclose(contents(modes(TRUTH, WEIGHTS)).sum(-1), TRUTH, atol=1e-12)


def test_shares_grow_to_one() -> None:
    found = captured(coefficients(VALUES, modes(TRUTH, WEIGHTS), WEIGHTS))
    assert found.shape == (6, 12)
    assert (np.diff(found) >= 0).all()
    assert (found[:, -1] < 1).all()  # the modes of contexts beyond those of tokens
    np.testing.assert_allclose(captured(np.eye(3)), [1 / 3, 2 / 3, 1])


def test_leading_modes_of_planted_blocks_are_the_blocks() -> None:
    """So three of them capture all that depends on the blocks alone, and random ones do not."""
    flat = np.full(24, 1 / 24)
    context, token = blocks_of(24, 3), blocks_of(12, 3)
    values = np.array([[3.0, -1, 0], [0, 2, 1], [-2, 0, 1]])[context][:, token]
    share = captured(coefficients(values, modes(TRUTH, flat), flat))
    assert share[2] > 0.9
    others = [captured(coefficients(values, random_modes(12, flat, random), flat))[2]
              for _ in range(200)]  # fmt: skip
    assert np.mean(others) == pytest.approx(9 / (24 * 12), abs=0.02)


def test_weights_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="weights"):
        modes(TRUTH, np.zeros(24))

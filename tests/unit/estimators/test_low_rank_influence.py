"""Damped influence through few outer products is that with the whole matrix."""

import numpy as np
import pytest

from stagewise.estimators.low_rank_influence import low_rank_influence
from stagewise.theory.local_influence import damped_influence


@pytest.mark.parametrize("rank", [3, 30])
def test_is_the_whole_inverse(rank: int) -> None:
    random = np.random.default_rng(0)
    train, query, roots = (random.standard_normal((n, 12)) for n in (5, 4, rank))
    found = low_rank_influence(train, query, roots, 0.3)
    whole = damped_influence(np.concatenate([train, query]), roots.T @ roots, 0.3)
    np.testing.assert_allclose(found, whole[:5, 5:], rtol=1e-10)


def test_without_curvature_products_of_gradients_are_left() -> None:
    random = np.random.default_rng(0)
    train, query = random.standard_normal((5, 12)), random.standard_normal((4, 12))
    found = low_rank_influence(train, query, np.zeros((2, 12)), 2.0)
    np.testing.assert_allclose(found, train @ query.T / 2)

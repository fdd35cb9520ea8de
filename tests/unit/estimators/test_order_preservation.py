"""Known answers of the order preservation rate."""

import numpy as np
import pytest

from stagewise.estimators.order_preservation import order_preservation


def test_known_orders() -> None:
    truths = np.array([1.0, 2.0, 3.0, 4.0])
    assert order_preservation(truths**2, truths) == 1
    assert order_preservation(-truths, truths) == 0
    assert order_preservation(np.array([2.0, 1.0, 3.0, 4.0]), truths) == pytest.approx(5 / 6)


def test_pairs_of_equal_truths_do_not_count() -> None:
    assert order_preservation(np.array([5.0, 1.0, 9.0]), np.array([1.0, 1.0, 2.0])) == 1
    assert np.isnan(order_preservation(np.array([1.0, 2.0]), np.array([3.0, 3.0])))


def test_what_is_not_a_number_orders_nothing() -> None:
    found = order_preservation(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx(1 / 3)
    assert order_preservation(np.array([2.0, 2.0]), np.array([1.0, 2.0])) == 0  # a tie


def test_noise_orders_half_of_the_pairs() -> None:
    random = np.random.default_rng(0)
    rate = order_preservation(random.standard_normal(200), random.standard_normal(200))
    assert 0.4 < rate < 0.6

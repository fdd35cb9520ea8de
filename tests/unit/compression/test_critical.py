"""Critical amounts on curves whose crossings are known."""

from math import isnan

import numpy as np
import pytest

from stagewise.compression.critical import critical_amounts

GRID = np.geomspace(100, 1, 17)


def test_power_laws_are_exact() -> None:
    for power in (0.7, 2.0, 5.0):
        found = critical_amounts(GRID, 3.0 * GRID**-power, [0.01, 0.1, 1.0])
        for critical in found:
            wanted = (3.0 / critical.tolerance) ** (1 / power)
            if wanted < 100:
                assert critical.amount == pytest.approx(wanted, rel=1e-9)
                assert critical.censored == ""
            else:
                assert critical.censored == "high"


def test_linear_where_the_rise_starts_at_nothing() -> None:
    (found,) = critical_amounts([4.0, 1.0], [0.0, 1.0], [0.5])
    assert found.amount == pytest.approx(2.0)
    (found,) = critical_amounts([4.0, 1.0], [-1.0, 1.0], [0.5])
    assert found.amount == pytest.approx(4.0 ** (1 / 4))


def test_a_dip_does_not_undo_a_rise() -> None:
    amounts = [32.0, 16.0, 8.0, 4.0, 2.0]
    down = critical_amounts(amounts, [0.01, 0.2, 0.05, 0.3, 0.9], [0.1, 0.25])
    even = critical_amounts(amounts, [0.01, 0.2, 0.2, 0.3, 0.9], [0.1, 0.25])
    assert down == even
    assert 16 < down[0].amount < 32
    assert 4 < down[1].amount < 8


def test_a_rise_just_at_the_tolerance_is_within_it() -> None:
    (found,) = critical_amounts([8.0, 4.0, 2.0], [0.1, 0.5, 2.0], [0.5])
    assert found.amount == 4


def test_what_the_grid_does_not_reach() -> None:
    low, high = critical_amounts([8.0, 4.0], [0.3, 0.4], [0.5, 0.2])
    assert (isnan(low.amount), low.censored) == (True, "low")
    assert (isnan(high.amount), high.censored) == (True, "high")


def test_infinite_rises() -> None:
    (found,) = critical_amounts([8.0, 4.0, 2.0], [0.1, np.nan, 0.2], [0.5])
    assert found.amount == 8
    (found,) = critical_amounts([8.0, 4.0], [np.inf, 0.1], [0.5])
    assert found.censored == "high"


def test_what_cannot_be_is_named() -> None:
    for amounts in ([1.0, 2.0], [2.0, 2.0], [1.0, 0.0]):
        with pytest.raises(ValueError, match="must fall"):
            critical_amounts(amounts, [0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="rises"):
        critical_amounts([2.0, 1.0], [0.1], [0.1])
    with pytest.raises(ValueError, match="tolerances"):
        critical_amounts([2.0, 1.0], [0.1, 0.2], [0.0])

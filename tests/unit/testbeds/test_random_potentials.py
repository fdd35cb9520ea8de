"""Random potentials are drawn within their bounds, from the seed alone."""

from typing import Any

import pandas as pd
import pytest

from stagewise.settings import SettingsError
from stagewise.testbeds import polynomial

RANDOM = {"count": 40, "stiff_at": [20.0, 1.0]}


def index(kind: str, seed: int, **random: Any) -> pd.DataFrame:
    testbed = polynomial.build({"kind": kind, "scale": 3.0, "random": RANDOM | random}, seed)
    assert testbed.points is not None
    return testbed.points().index


def exponents(column: pd.Series) -> list[list[int]]:
    return [[int(part) for part in text.split(",")] for text in column]


def test_monomials() -> None:
    found = index("monomial", 0, greatest_k=3, greatest_h=2)
    k, h = exponents(found.k), exponents(found.h)
    assert all(max(pair) >= 1 for pair in k)
    assert {e for pair in k for e in pair} == {0, 1, 2, 3}
    assert {e for pair in h for e in pair} == {0, 1, 2}
    # scale K = 3 K is as stiff as 3 times that of n beta 3
    expected = 3 * polynomial.monomial_stiffness(k[0], h[0], n_beta=60.0, localization=1.0)
    assert found.curvature[0] == pytest.approx(expected, rel=1e-12)


def test_sums() -> None:
    found = index("sum", 0, greatest_k=4, greatest_width=3)
    k = exponents(found.k)
    assert {len(powers) for powers in k} == {1, 2, 3}
    assert {p for powers in k for p in powers} == {2, 4, 6, 8}


def test_the_seed_decides() -> None:
    pd.testing.assert_frame_equal(index("sum", 1), index("sum", 1))
    assert list(index("sum", 1).k) != list(index("sum", 2).k)
    more = index("monomial", 1, count=50)
    pd.testing.assert_frame_equal(more[:40], index("monomial", 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "sum"}, "potentials: must not be empty"),
        ({"kind": "components", "random": RANDOM}, "random: there are no random potentials"),
        ({"kind": "sum", "random": RANDOM | {"count": 0}}, "model.random.random.count: must be"),
        ({"kind": "sum", "random": RANDOM | {"much": 1}}, "model.random.much: unknown setting"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace(".random.random", ".*random")):
        polynomial.build(settings, 0)

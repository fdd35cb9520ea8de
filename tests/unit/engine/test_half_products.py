"""Our kernel for products in bfloat16 against rounded factors, multiplied in double precision."""

import pytest
import torch

from stagewise.engine import half_products

pytestmark = pytest.mark.skipif(
    not half_products.usable(), reason="needs a C++ compiler and a processor with such products"
)

SHAPES = [(1, 1, 1), (8, 16, 32), (9, 3, 16), (33, 7, 23), (64, 600, 48), (70, 1031, 49), (5, 2, 7)]


def _random(down, along, layout):
    if layout == "turned":
        return torch.randn(3, along, down).mT
    if layout == "shared":
        return torch.randn(1, down, along).expand(3, -1, -1)
    if layout == "cut out":
        return torch.randn(3, down + 3, along + 5)[:, 1:-2, 2:-3]
    if layout == "every second":
        return torch.randn(3, 2 * down, 2 * along)[:, ::2, ::2]
    return torch.randn(3, down, along)


LAYOUTS = ["plain", "turned", "shared", "cut out", "every second"]


@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("second", LAYOUTS)
def test_products_are_those_of_rounded_factors(first, second):
    torch.manual_seed(0)
    for high, inner, wide in SHAPES:
        a, b = _random(high, inner, first), _random(inner, wide, second)
        rounded = [t.bfloat16().double() for t in (a, b)]
        exact = rounded[0] @ rounded[1]
        bound = 1e-6 * (rounded[0].abs() @ rounded[1].abs())
        found = half_products.multiplied(a, b)
        assert ((found - exact).abs() <= bound * inner**0.5 + 1e-12).all()


def test_what_is_not_a_number_stays_so():
    a, b = torch.ones(1, 16, 16), torch.ones(1, 16, 32)
    a[0, 2, 3], a[0, 5, 0] = torch.nan, torch.inf
    found = half_products.multiplied(a, b)[0]
    assert found[2].isnan().all()
    assert (found[5] == torch.inf).all()
    assert (found[[0, 1, 3, 4, 6]] == 16).all()

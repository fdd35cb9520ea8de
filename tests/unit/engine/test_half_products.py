"""Our kernel for products in bfloat16 against rounded factors, multiplied in double precision."""

import pytest
import torch

from stagewise.engine import half_products
from stagewise.engine.own_operations import own_operations
from stagewise.engine.program import Program
from stagewise.models import attention_only

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


def test_rows_and_threads_do_not_matter():
    torch.manual_seed(0)
    a, b = torch.randn(5, 130, 70), torch.randn(5, 70, 40)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        together = half_products.multiplied(a, b)
        torch.set_num_threads(2)
        assert torch.equal(half_products.multiplied(a, b), together)
        for row in range(5):
            one = slice(row, row + 1)
            assert torch.equal(half_products.multiplied(a[one], b[one])[0], together[row])
    finally:
        torch.set_num_threads(before)


def test_what_is_not_a_number_stays_so():
    a, b = torch.ones(1, 16, 16), torch.ones(1, 16, 32)
    a[0, 2, 3], a[0, 5, 0] = torch.nan, torch.inf
    found = half_products.multiplied(a, b)[0]
    assert found[2].isnan().all()
    assert (found[5] == torch.inf).all()
    assert (found[[0, 1, 3, 4, 6]] == 16).all()


def test_gradients_of_a_transformer_are_those_of_rounded_products(monkeypatch):
    """As near to single precision as torch's autocast, which rounds more."""
    weights = attention_only.initial(
        vocabulary=37,
        context=24,
        width=32,
        heads=4,
        layers=2,
        stream=torch.Generator().manual_seed(0),
    )
    position = torch.cat([tensor.flatten() for tensor in weights.values()])[None]
    tokens = torch.randint(0, 37, (1, 6, 25), generator=torch.Generator().manual_seed(2))

    def found(**more):
        program = Program(
            lambda w, c, batch: attention_only.next_token_losses(w, batch["tokens"]).mean(-1),
            {name: tuple(tensor.shape) for name, tensor in weights.items()},
            {},
            rows=1,
            **more,
        )
        loss, gradient = program.loss_and_gradient(position, {"tokens": tokens}, shared=False)
        assert loss.dtype == gradient.dtype == torch.float32
        return gradient

    full, half, autocast = found(), found(half=True, own=True), found(half=True)
    apart = {
        name: float((one - full).norm() / full.norm())
        for name, one in (("half", half), ("autocast", autocast))
    }
    assert 1e-4 < apart["half"] < min(0.02, apart["autocast"])
    monkeypatch.setattr("stagewise.engine.program.half_products.usable", lambda: False)
    without = found(half=True, own=True)
    assert (without - autocast).norm() < (without - half).norm() / 2


def test_only_where_it_is_asked_for():
    torch.manual_seed(0)
    a, b = torch.randn(32, 32), torch.randn(32, 32)
    with own_operations(half=True):
        half = a @ b
        with own_operations():
            full = a @ b
    assert torch.equal(half, half_products.multiplied(a[None], b[None])[0])
    torch.testing.assert_close(full, a @ b)
    assert not torch.equal(half, full)

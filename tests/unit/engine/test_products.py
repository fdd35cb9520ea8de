"""Our kernels for products of matrices against torch's, in double precision."""

import pytest
import torch

from stagewise.engine import half_products, small_products
from stagewise.engine.layout import rewritten
from stagewise.engine.machine_code import CompileError, compiler
from stagewise.engine.own_operations import usable
from stagewise.engine.products import products, suits

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

SMALL = [(1, 1, 1), (8, 16, 32), (9, 3, 16), (5, 2, 7), (32, 32, 32), (13, 8, 23), (16, 8, 15)]
SHAPES = [*SMALL, (33, 7, 23), (64, 600, 48), (70, 1030, 49)]


def _random(rows, down, along, layout):
    tensor = torch.randn(rows, down, along)
    if layout == "turned":
        return torch.randn(rows, along, down).mT
    if layout == "shared":
        return tensor[:1].expand(rows, -1, -1)
    if layout == "cut out":
        return torch.randn(rows, down + 3, along + 5)[:, 1:-2, 2:-3]
    return tensor


@pytest.mark.parametrize("first", ["plain", "turned", "shared", "cut out"])
@pytest.mark.parametrize("second", ["plain", "turned", "shared", "cut out"])
@pytest.mark.parametrize(
    ("multiplied", "shapes"), [(products, SHAPES), (small_products.multiplied, SMALL)]
)
def test_products_are_those_of_torch(multiplied, shapes, first, second):
    torch.manual_seed(0)
    for high, inner, wide in shapes:
        a, b = _random(3, high, inner, first), _random(3, inner, wide, second)
        exact = a.double() @ b.double()
        bound = 1e-6 * (a.double().abs() @ b.double().abs())
        assert ((multiplied(a, b) - exact).abs() <= bound * inner**0.5 + 1e-12).all()


@pytest.mark.parametrize(
    ("multiplied", "shape"),
    [
        (products, (130, 70, 40)),
        (small_products.multiplied, (16, 8, 15)),
        pytest.param(
            half_products.multiplied,
            (130, 70, 40),
            marks=pytest.mark.skipif(not half_products.usable(), reason="no bfloat16 here"),
        ),
    ],
)
def test_rows_and_threads_do_not_matter(multiplied, shape):
    torch.manual_seed(0)
    high, inner, wide = shape
    a, b = torch.randn(5, high, inner), torch.randn(5, inner, wide)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        together = multiplied(a, b)
        torch.set_num_threads(2)
        assert torch.equal(multiplied(a, b), together)
        for row in range(5):
            assert torch.equal(multiplied(a[row : row + 1], b[row : row + 1])[0], together[row])
    finally:
        torch.set_num_threads(before)


def test_where_nothing_compiles_steps_keep_the_library(monkeypatch):
    def fails(*given):
        raise CompileError("no compiler")

    assert torch.ops.aten.mm.default in rewritten()
    usable.cache_clear()
    monkeypatch.setattr("stagewise.engine.products.function", fails)
    assert not usable()
    assert torch.ops.aten.mm.default not in rewritten()
    monkeypatch.undo()
    usable.cache_clear()


def test_only_what_the_kernel_is_made_for():
    wide = torch.randn(2, 64, 64)
    assert suits(wide, wide)
    assert not suits(wide.double(), wide.double())
    assert not suits(wide, wide[..., :8])
    assert not suits(wide[:, :2], wide)
    assert not suits(wide.bfloat16(), wide.bfloat16())


def test_small_products_are_for_many_small_matrices():
    many = torch.randn(small_products.FEWEST, 16, 8)
    assert small_products.suits(many, many.mT)
    assert not small_products.suits(many[1:], many[1:].mT)
    assert not small_products.suits(many.double(), many.double().mT)
    assert not small_products.suits(many, many[:, :4].mT)
    assert not small_products.suits(many, many[:, :1].mT.expand(-1, -1, 33))


def test_where_nothing_compiles_small_products_are_torchs(monkeypatch, caplog):
    def fails(*given):
        raise CompileError("no compiler")

    many = torch.randn(small_products.FEWEST, 16, 8)
    small_products.usable.cache_clear()
    monkeypatch.setattr("stagewise.engine.small_products.function", fails)
    assert not small_products.suits(many, many.mT)
    assert "torch multiplies small matrices" in caplog.text
    monkeypatch.undo()
    small_products.usable.cache_clear()

"""Models by our own kernels against the same models by torch's operations."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear, scaled_dot_product_attention

from stagewise.engine import half_products, own_operations
from stagewise.engine.machine_code import compiler, reported
from stagewise.engine.own_operations import own_operations as ours
from stagewise.engine.own_operations import small_operations
from stagewise.engine.program import Program
from stagewise.models import attention_only

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
rounds = pytest.mark.skipif(not half_products.usable(), reason="no products in bfloat16 here")


@pytest.fixture
def program():
    def build(own, half=False):
        return Program(
            lambda w, c, batch: attention_only.next_token_losses(w, batch["tokens"]).mean(-1),
            {name: tuple(tensor.shape) for name, tensor in weights.items()},
            {},
            rows=2,
            alone=True,
            own=own,
            half=half,
        )

    weights = attention_only.initial(
        vocabulary=37,
        context=24,
        width=32,
        heads=4,
        layers=2,
        stream=torch.Generator().manual_seed(0),
    )
    flat = torch.cat([tensor.flatten() for tensor in weights.values()])
    positions = flat + 0.05 * torch.randn(2, len(flat), generator=torch.Generator().manual_seed(1))
    tokens = torch.randint(0, 37, (6, 25), generator=torch.Generator().manual_seed(2))
    return build, positions, {"tokens": tokens}


@pytest.mark.parametrize("moving", [None, ("layer1.query", "layer1.value")])
def test_losses_and_gradients_of_a_transformer(program, moving, monkeypatch):
    build, positions, batch = program
    used = []
    kernel = own_operations.attention.attended
    monkeypatch.setattr(
        own_operations.attention,
        "attended",
        lambda *given, **more: used.append(1) or kernel(*given, **more),
    )
    loss, gradient = build(False).loss_and_gradient(positions, batch, moving=moving)
    assert not used
    own_loss, own_gradient = build(True).loss_and_gradient(positions, batch, moving=moving)
    assert len(used) >= 4  # two models of two layers, and one recorded
    torch.testing.assert_close(own_loss, loss, rtol=1e-5, atol=0)
    assert (own_gradient - gradient).norm() <= 1e-5 * gradient.norm()
    each = build(True).each(positions, batch)
    torch.testing.assert_close(each, build(False).each(positions, batch), rtol=1e-5, atol=1e-6)


@rounds
def test_gradients_in_half_precision_are_those_of_rounded_products(program, monkeypatch):
    """As near to single precision as torch's autocast, which rounds more."""
    build, positions, batch = program

    def found(own, half):
        loss, gradient = build(own, half).loss_and_gradient(positions, batch)
        assert loss.dtype == gradient.dtype == torch.float32
        return gradient

    full, half, autocast = found(False, False), found(True, True), found(False, True)
    apart, autocast_apart = ((one - full).norm() / full.norm() for one in (half, autocast))
    assert 1e-4 < apart < min(0.02, autocast_apart)
    monkeypatch.setattr("stagewise.engine.program.half_products.usable", lambda: False)
    without = found(True, True)
    assert (without - autocast).norm() < (without - half).norm() / 2


@rounds
def test_half_precision_only_where_it_is_asked_for():
    torch.manual_seed(0)
    a, b = torch.randn(32, 32), torch.randn(32, 32)
    with ours(half=True):
        half = a @ b
        with ours():
            full = a @ b
    assert torch.equal(half, half_products.multiplied(a[None], b[None])[0])
    torch.testing.assert_close(full, a @ b)
    assert not torch.equal(half, full)


def test_modules_and_broadcasting():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(20, 48), nn.Tanh(), nn.Linear(48, 24, bias=False))
    x = torch.randn(3, 11, 20)
    pair = torch.randn(5, 33, 20), torch.randn(5, 20, 32)
    with ours():
        found, products = module(x), pair[0] @ pair[1]
        refused = [lambda: x @ torch.randn(21, 32), lambda: linear(x, torch.randn(32, 19))]
        for call in refused:
            with pytest.raises(RuntimeError, match=r"shape|size"):
                call()
        own = torch.autograd.grad(found.square().sum(), list(module.parameters()))
    torch.testing.assert_close(found, module(x))
    torch.testing.assert_close(products, pair[0] @ pair[1])
    wanted = torch.autograd.grad(module(x).square().sum(), list(module.parameters()))
    for mine, theirs in zip(own, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_other_precisions_are_left_to_torch():
    torch.manual_seed(0)
    a, b = torch.randn(4, 32, 32), torch.randn(4, 32, 32)
    with ours():
        assert torch.equal(a.double() @ b.double(), torch.bmm(a.double(), b.double()))
        with torch.autocast("cpu", torch.bfloat16):
            assert (a @ b).dtype == torch.bfloat16


def test_bits_are_those_of_torch_outside_of_the_context():
    torch.manual_seed(0)
    a, b = torch.randn(3, 40, 32), torch.randn(3, 32, 48)
    bias, heads = torch.randn(48), torch.randn(2, 3, 33, 8)

    def calls():
        attended = scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        return [a @ b, a[0] @ b[0], torch.addmm(bias, a[0], b[0], beta=0.5), attended]

    before = calls()
    with ours():
        own = calls()
    assert not torch.equal(own[3], before[3])
    for mine, theirs in zip(own, before, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    for one, other in zip(calls(), before, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("forward", [True, False])
def test_attention_by_one_and_its_gradient_by_the_other(forward):
    """What one keeps for the gradient is what the other does."""
    torch.manual_seed(0)
    given = [torch.randn(2, 3, 33, 8, requires_grad=True) for _ in range(3)]
    slope = torch.randn(2, 3, 33, 8)
    with ours(forward):
        found = scaled_dot_product_attention(*given, is_causal=True)
    with ours(not forward):
        mixed = torch.autograd.grad(found, given, slope)
    wanted = scaled_dot_product_attention(*given, is_causal=True)
    for mine, theirs in zip(mixed, torch.autograd.grad(wanted, given, slope), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_what_is_not_for_our_kernels_goes_to_torch():
    torch.manual_seed(0)
    heads, mask = torch.randn(1, 2, 20, 8), torch.randn(20, 20)
    before = scaled_dot_product_attention(heads, heads, heads, attn_mask=mask, scale=0.3)
    narrow = torch.randn(30, 20), torch.randn(20, 3)
    products = narrow[0] @ narrow[1]
    with ours():
        assert torch.equal(
            scaled_dot_product_attention(heads, heads, heads, attn_mask=mask, scale=0.3), before
        )
        assert torch.equal(narrow[0] @ narrow[1], products)


def test_small_products_stand_beside_the_others():
    torch.manual_seed(0)
    large, small = torch.randn(2, 64, 64), torch.randn(300, 16, 8)
    squares, grams = large @ large, small @ small.mT
    called = []
    with reported(lambda function, *_: called.append(function.__name__)):
        with ours(), small_operations():
            torch.testing.assert_close(large @ large, squares, rtol=1e-5, atol=1e-4)
            torch.testing.assert_close(small @ small.mT, grams, rtol=1e-5, atol=1e-4)
        with small_operations():
            assert torch.equal(large @ large, squares)
            torch.testing.assert_close(small @ small.mT, grams, rtol=1e-5, atol=1e-4)
        assert torch.equal(small @ small.mT, grams)
    assert called == ["products", "small_products", "small_products"]

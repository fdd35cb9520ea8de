"""Models by our own kernels against the same models by torch's operations."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from stagewise.engine import own_operations
from stagewise.engine.machine_code import compiler
from stagewise.engine.own_operations import own_operations as ours
from stagewise.engine.program import Program
from stagewise.models import attention_only

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


@pytest.fixture
def program():
    def build(own):
        return Program(
            lambda w, c, batch: attention_only.next_token_losses(w, batch["tokens"]).mean(-1),
            {name: tuple(tensor.shape) for name, tensor in weights.items()},
            {},
            rows=2,
            alone=True,
            own=own,
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
    kernel = own_operations.attention.attention
    monkeypatch.setattr(
        own_operations.attention,
        "attention",
        lambda *given, **more: used.append(1) or kernel(*given, **more),
    )
    loss, gradient = build(False).loss_and_gradient(positions, batch, moving=moving)
    assert not used
    own_loss, own_gradient = build(True).loss_and_gradient(positions, batch, moving=moving)
    assert len(used) == 4  # two models of two layers
    torch.testing.assert_close(own_loss, loss, rtol=1e-5, atol=0)
    assert (own_gradient - gradient).norm() <= 1e-5 * gradient.norm()
    each = build(True).each(positions, batch)
    torch.testing.assert_close(each, build(False).each(positions, batch), rtol=1e-5, atol=1e-6)


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
    torch.testing.assert_close(found, module(x))
    torch.testing.assert_close(products, pair[0] @ pair[1])
    wanted = torch.autograd.grad(module(x).square().sum(), list(module.parameters()))
    own = torch.autograd.grad(found.square().sum(), list(module.parameters()))
    for mine, theirs in zip(own, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_other_precisions_are_left_to_torch():
    torch.manual_seed(0)
    a, b = torch.randn(4, 32, 32), torch.randn(4, 32, 32)
    with ours():
        assert torch.equal(a.double() @ b.double(), torch.bmm(a.double(), b.double()))
        with torch.autocast("cpu", torch.bfloat16):
            assert (a @ b).dtype == torch.bfloat16

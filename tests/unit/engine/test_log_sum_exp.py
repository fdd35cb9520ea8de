"""Our kernel for the log of sums of exponentials against torch's, in double precision."""

import pytest
import torch

from stagewise.engine.log_sum_exp import LogSumExp, log_sum_exp, suits
from stagewise.engine.machine_code import compiler
from stagewise.engine.own_operations import own_operations, usable

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


@pytest.mark.parametrize("wide", [1, 3, 16, 44, 64, 513])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_as_exact_as_torch(wide, scale):
    torch.manual_seed(0)
    numbers = scale * torch.randn(7, 5, wide)
    wanted = numbers.double().logsumexp(-1)
    usual = (numbers.logsumexp(-1) - wanted).abs().max()
    error = (log_sum_exp(numbers) - wanted).abs().max()
    assert error <= 2 * max(usual, 2e-7 * max(1.0, wanted.abs().max()))


def test_what_is_not_finite():
    nan, inf = torch.nan, torch.inf
    rows = [[0, nan, 1], [inf, 0, 1], [-inf, -inf, -inf], [-inf, 0, 0], [nan, nan, nan]]
    rows += [[-inf, nan, -inf], [1e30, -1e30, 0], [-200, -300, -400]]
    for wide in (3, 48):
        numbers = torch.full((len(rows), wide), -inf)
        numbers[:, -3:] = torch.tensor(rows)
        torch.testing.assert_close(
            log_sum_exp(numbers), numbers.logsumexp(-1), equal_nan=True, rtol=1e-6, atol=1e-6
        )


def test_only_what_the_kernel_is_made_for():
    numbers = torch.randn(100, 50)
    assert suits(numbers, [-1], False)
    assert suits(numbers, [1], False)
    assert not suits(numbers, [0], False)
    assert not suits(numbers, [0, 1], False)
    assert not suits(numbers, [1], True)
    assert not suits(numbers.double(), [1], False)
    assert not suits(numbers.T, [1], False)
    assert not suits(numbers[:2], [1], False)


@pytest.mark.parametrize(("rows", "wide"), [(200, 43), (100, 64), (9, 513), (1500, 3)])
@pytest.mark.parametrize("scale", [0.1, 3.0, 60.0])
def test_gradient_as_exact_as_torchs(rows, wide, scale):
    torch.manual_seed(0)
    numbers, slope = scale * torch.randn(rows, wide), torch.randn(rows)
    exact, usual, ours = (
        t.requires_grad_() for t in (numbers.double(), numbers.clone(), numbers.clone())
    )
    exact.logsumexp(-1).backward(slope.double())
    usual.logsumexp(-1).backward(slope)
    LogSumExp.apply(ours).backward(slope)
    error, limit = (ours.grad - exact.grad).abs().max(), (usual.grad - exact.grad).abs().max()
    assert error <= 2 * limit + 5e-7


def test_gradient_stands_behind_torchs_own_operation():
    numbers = torch.randn(300, 40)
    wanted = torch.func.grad(lambda x: x.logsumexp(-1).sum())(numbers)
    with own_operations(usable()):
        free = numbers.clone().requires_grad_()
        loss = free.logsumexp(-1)
        assert "LogSumExp" in str(loss.grad_fn)
        loss.sum().backward()
        assert free[:2].logsumexp(-1).requires_grad  # too few for ours
        assert free.logsumexp(0).requires_grad
    torch.testing.assert_close(free.grad, wanted, rtol=1e-5, atol=1e-7)
    # outside of the context all is torch's, also twice and mapped
    pair = torch.stack([numbers, 2 * numbers])
    mapped = torch.func.vmap(torch.func.grad(lambda x: x.logsumexp(-1).sum()))(pair)
    torch.testing.assert_close(mapped[0], wanted)
    free = numbers.clone().requires_grad_()
    (slope,) = torch.autograd.grad(free.logsumexp(-1).sum(), free, create_graph=True)
    (curved,) = torch.autograd.grad(slope.square().sum(), free)
    assert curved.isfinite().all()
    assert curved.abs().max() > 0

"""Our kernel for layer norms against torch's, in double precision."""

import pytest
import torch
from torch.nn.functional import layer_norm

from stagewise.engine.layer_norm import gradients, normed, suits
from stagewise.engine.machine_code import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")


def drawn(rows, wide):
    torch.manual_seed(0)
    x, slope = torch.randn(rows, wide) * 3 + 2, torch.randn(rows, wide)
    return x, torch.randn(wide), torch.randn(wide), slope


@pytest.mark.parametrize("rows", [1, 15, 16, 33, 2100])
@pytest.mark.parametrize("wide", [16, 48, 64, 128])
def test_as_exact_as_torch(rows, wide):
    x, scale, shift, slope = drawn(rows, wide)
    exact = [t.double().requires_grad_() for t in (x, scale, shift)]
    usual = [t.clone().requires_grad_() for t in (x, scale, shift)]
    wanted = layer_norm(exact[0], (wide,), exact[1], exact[2], 1e-3)
    theirs = layer_norm(usual[0], (wide,), usual[1], usual[2], 1e-3)
    wanted.backward(slope.double())
    theirs.backward(slope)
    out, means, inverses = normed(x, scale, shift, 1e-3)
    found = (out, *gradients(slope, x, means, inverses, scale))
    for ours, other, true in zip(
        found,
        (theirs, *(t.grad for t in usual)),
        (wanted, *(t.grad for t in exact)),
        strict=True,
    ):
        error, limit = (ours - true).abs().max(), (other - true).abs().max()
        assert error <= 3 * limit + 1e-6 * true.abs().max()


def test_keeps_what_torch_keeps():
    x, scale, shift, _ = drawn(10, 32)
    x = x.reshape(2, 5, 32)
    for ours, theirs in zip(
        normed(x, scale, shift, 1e-5),
        torch.native_layer_norm(x, [32], scale, shift, 1e-5),
        strict=True,
    ):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_does_not_depend_on_threads():
    x, scale, shift, slope = drawn(5000, 64)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        out, means, inverses = normed(x, scale, shift, 1e-5)
        found.append((out, *gradients(slope, x, means, inverses, scale)))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_what_is_not_finite_stays_in_its_row():
    x, scale, shift, _ = drawn(20, 32)
    x[3, 5], x[7, 0] = torch.nan, torch.inf
    out = normed(x, scale, shift, 1e-5)[0]
    finite = out.isfinite().all(1)
    assert not finite[3]
    assert not finite[7]
    assert finite.sum() == 18


def test_only_what_the_kernel_is_made_for():
    x, scale, shift, _ = drawn(200, 64)
    assert suits(x, [64], scale, shift)
    assert not suits(x, [64], None, shift)
    assert not suits(x, [200, 64], scale, shift)
    assert not suits(x.double(), [64], scale, shift)
    assert not suits(x[:2], [64], scale, shift)
    assert not suits(x[:, :40].contiguous(), [40], scale, shift)
    assert not suits(x.T.contiguous().T, [64], scale, shift)

"""Our kernel for attention against torch's, in double precision."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from stagewise.engine.attention import attended, gradients, suits
from stagewise.engine.machine_code import compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

SHAPES = [(2, 3, 64, 8), (1, 2, 17, 5), (3, 1, 2, 16), (2, 2, 70, 33), (1, 1, 130, 20)]


def _heads(samples, heads, places, size):
    """(sample, head, place, size), with the heads of a place side by side, as models make them."""
    flat = torch.randn(samples, places, heads * size)
    return flat.unflatten(2, (heads, size)).transpose(1, 2)


def _scores(query, key, causal):
    """What norms are sums over keys of, in double precision."""
    scores = query.double() @ key.double().mT / query.shape[-1] ** 0.5
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf) if causal else scores


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention_and_gradients_are_those_of_torch(shape, causal):
    torch.manual_seed(0)
    given = [_heads(*shape) for _ in range(3)]
    slope = torch.randn(shape)
    found, norms = attended(*given, causal=causal, scale=0.7)
    slopes = gradients(slope, *given, norms, causal=causal, scale=0.7)

    def by_torch(kind):
        copies = [tensor.to(kind).requires_grad_() for tensor in given]
        out = scaled_dot_product_attention(*copies, is_causal=causal, scale=0.7)
        return [out, *torch.autograd.grad(out, copies, slope.to(kind))]

    exact, single = by_torch(torch.float64), by_torch(torch.float32)
    for mine, theirs, wanted in zip([found, *slopes], single, exact, strict=True):
        error, usual = ((tensor - wanted).abs().max() for tensor in (mine, theirs))
        assert error <= 2 * max(usual, 1e-6 * wanted.abs().max()), "twice torch's own"


@pytest.mark.parametrize("causal", [True, False])
def test_norms_are_logarithms_of_sums(causal):
    torch.manual_seed(0)
    query, key, value = (4 * torch.randn(2, 3, 21, 8) for _ in range(3))
    norms = attended(query, key, value, causal=causal)[1]
    wanted = _scores(query, key, causal).logsumexp(-1)
    torch.testing.assert_close(norms.double(), wanted, rtol=1e-6, atol=1e-6)


def test_scale_and_layout_by_default():
    torch.manual_seed(0)
    given = [torch.randn(2, 3, 9, 12) for _ in range(2)] + [torch.randn(2, 3, 12, 9).mT]
    wanted = scaled_dot_product_attention(*given, is_causal=True)
    assert torch.allclose(attended(*given, causal=True)[0], wanted, atol=1e-6)


def test_large_scores_neither_overflow_nor_hide_what_is_not_finite():
    query = torch.full((1, 1, 4, 4), 100.0)
    value = torch.randn(1, 1, 4, 4)
    found = attended(query, query, value, causal=True)[0]
    assert torch.allclose(found, scaled_dot_product_attention(query, query, value, is_causal=True))
    query[0, 0, 2, 1] = torch.nan
    assert attended(query, query, value, causal=True)[0][0, 0, 2].isnan().all()


def test_threads_do_not_matter():
    torch.manual_seed(0)
    given = [_heads(3, 2, 40, 8) for _ in range(3)]
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out, norms = attended(*given, causal=True)
            found.append([out, *gradients(out, *given, norms, causal=True)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_only_what_the_kernel_is_made_for():
    one = torch.randn(2, 3, 9, 12)
    assert suits(one, one, one)
    assert not suits(one, one[:, :, :4], one[:, :, :4])
    assert not suits(one.double(), one.double(), one.double())
    assert not suits(*[torch.randn(1, 1, 513, 4)] * 3)

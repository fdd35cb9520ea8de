"""GPT-NeoX with our attention against transformers' own."""

import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from stagewise.models import causal_attention
from stagewise.models.causal_lm import next_token_losses, weights

TOKENS = torch.randint(0, 40, (5, 18), generator=torch.Generator().manual_seed(0))


def module(attention: str) -> GPTNeoXForCausalLM:
    causal_attention.register()
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=17,
        attn_implementation=attention,
    )
    return GPTNeoXForCausalLM(config).eval().requires_grad_(False)


@pytest.fixture
def both():
    """Losses of the weights by transformers' plain attention, and by ours."""
    plain, ours = module("eager"), module(causal_attention.NAME)
    assert all(
        torch.equal(a, b) for a, b in zip(plain.parameters(), ours.parameters(), strict=True)
    )
    return weights(plain), next_token_losses(plain), next_token_losses(ours)


def test_losses_and_gradients(both) -> None:
    w, plain, ours = both
    w = {name: tensor.double().requires_grad_() for name, tensor in w.items()}
    found = [loss(w, TOKENS) for loss in (plain, ours)]
    torch.testing.assert_close(*found)
    slopes = [torch.autograd.grad(loss.sum(), list(w.values())) for loss in found]
    for theirs, mine in zip(*slopes, strict=True):
        torch.testing.assert_close(theirs, mine, rtol=1e-5, atol=1e-6)  # theirs: softmax in single


@torch.no_grad()
def test_losses_without_gradients(both) -> None:
    w, plain, ours = both
    torch.testing.assert_close(ours(w, TOKENS), plain(w, TOKENS), rtol=1e-5, atol=1e-5)
    pair = {name: torch.stack([tensor, 1.1 * tensor]) for name, tensor in w.items()}
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        mapped = torch.func.vmap(ours, in_dims=(0, None))(pair, TOKENS)
    torch.testing.assert_close(mapped[0], plain(w, TOKENS), rtol=1e-5, atol=1e-5)
    double = {name: tensor.double() for name, tensor in w.items()}
    torch.testing.assert_close(ours(double, TOKENS), plain(double, TOKENS))

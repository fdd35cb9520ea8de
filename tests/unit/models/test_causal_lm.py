"""Causal language models of transformers as functions of their weights, and their heads."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from torch.func import vmap

from stagewise.engine.machine_code import compiler
from stagewise.engine.own_operations import own_operations
from stagewise.models import causal_lm
from stagewise.models.causal_lm_parts import components

LLAMA_LIKE = {
    "vocab_size": 64,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
UNGROUPED = LLAMA_LIKE | {"num_key_value_heads": 4}
MODELS: dict[str, dict[str, Any]] = {
    "gpt_neox": LLAMA_LIKE,
    "gpt2": {"vocab_size": 64, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32}
    | {"bos_token_id": 0, "eos_token_id": 0},
    "llama": UNGROUPED,
    "mistral": UNGROUPED | {"sliding_window": 5},
    "qwen2": UNGROUPED,
    "qwen3": UNGROUPED | {"head_dim": 4},
    "opt": LLAMA_LIKE | {"ffn_dim": 24, "word_embed_proj_dim": 16},
    "phi": LLAMA_LIKE,
    "gpt_neo": {
        "vocab_size": 64,
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "max_position_embeddings": 32,
        "bos_token_id": 0,
        "eos_token_id": 0,
    },
}
"""Family -> a small model with two layers of four heads, 4 wide."""
OUT = {
    "gpt_neox": "gpt_neox.layers.{}.attention.dense",
    "gpt2": "transformer.h.{}.attn.c_proj",
    "opt": "model.decoder.layers.{}.self_attn.out_proj",
    "phi": "model.layers.{}.self_attn.dense",
    "gpt_neo": "transformer.h.{}.attn.attention.out_proj",
}
"""What reads the heads' outputs, side by side."""


@cache
def model(family: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **MODELS[family] | changes)
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():  # fresh biases are zero, which would hide their masks
        for tensor in made.parameters():
            tensor += 0.1 * torch.randn_like(tensor)
    return made.eval().requires_grad_(False)


def tokens() -> Tensor:
    return torch.randint(0, 64, (3, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", MODELS)
def test_loss_is_that_of_transformers(family: str) -> None:
    own, losses = model(family), causal_lm.next_token_losses(model(family))
    found = losses(causal_lm.weights(own), tokens())
    assert found.shape == (3, 8)
    expected = own(tokens(), labels=tokens(), use_cache=False).loss
    torch.testing.assert_close(found.mean(), expected)


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", MODELS)
def test_losses_and_gradients_by_our_own_kernels(family: str, attention: str) -> None:
    module = model(family)
    module.set_attn_implementation(attention)
    losses = causal_lm.next_token_losses(module)
    given = {name: w.clone().requires_grad_() for name, w in causal_lm.weights(module).items()}
    expected = losses(given, tokens())
    with own_operations():
        found = losses(given, tokens())
    module.set_attn_implementation("eager")
    torch.testing.assert_close(found, expected)
    names = list(given.values())
    wanted = torch.autograd.grad(expected.sum(), names)
    for own, theirs in zip(torch.autograd.grad(found.sum(), names), wanted, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", MODELS)
def test_models_side_by_side_are_each_its_own(family: str) -> None:
    """Losses, gradients and second derivatives of mapped rows are those of the rows alone."""
    losses, first = causal_lm.next_token_losses(model(family)), causal_lm.weights(model(family))
    rows = [first, {name: 1.1 * tensor for name, tensor in first.items()}]
    together = {name: torch.stack([row[name] for row in rows]).requires_grad_() for name in first}
    batches = torch.stack([tokens(), tokens().flip(0)])
    found = vmap(losses)(together, batches)
    for row, batch, loss in zip(rows, batches, found, strict=True):
        torch.testing.assert_close(loss, losses(row, batch))
    gradients = torch.autograd.grad(found.sum(), list(together.values()), create_graph=True)
    slope = sum(gradient.square().sum() for gradient in gradients)
    assert isinstance(slope, Tensor)
    for second in torch.autograd.grad(slope, list(together.values())):
        assert torch.isfinite(second).all()


def test_samples_a_few_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    losses, own = (
        causal_lm.next_token_losses(model("gpt_neox")),
        causal_lm.weights(model("gpt_neox")),
    )
    whole = losses(own, tokens())
    monkeypatch.setattr(causal_lm, "AT_ONCE", 1)
    with torch.no_grad():
        torch.testing.assert_close(losses(own, tokens()), whole)


def test_the_mapped_are_told_from_the_rest() -> None:
    causal_lm.check_mapped(model("gpt_neox"))
    config = transformers.BloomConfig(vocab_size=64, hidden_size=16, n_layer=1, n_head=2)
    with pytest.raises(ValueError, match="BloomForCausalLM cannot be run as several chains"):
        causal_lm.check_mapped(transformers.BloomForCausalLM(config))


@contextmanager
def heads_outputs(own: Any, family: str, layer: int, change: Any = None) -> Iterator[list[Tensor]]:
    """What enters the projection of the heads' outputs, (sample, place, head, 4); `change` may
    rewrite it."""
    seen: list[Tensor] = []

    def hook(module: Any, inputs: Any) -> Any:
        given = inputs[0].unflatten(-1, (4, 4)).clone()
        seen.append(given)
        if change is not None:
            change(given)
        return (given.flatten(-2), *inputs[1:])

    name = OUT.get(family, "model.layers.{}.self_attn.o_proj").format(layer)
    handle = own.get_submodule(name).register_forward_pre_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()


def masked(weights: dict[str, Tensor], mask: dict[str, Tensor], value: Tensor | float) -> Any:
    return weights | {
        name: torch.where(where, torch.as_tensor(value), weights[name])
        for name, where in mask.items()
    }


@pytest.mark.parametrize("family", MODELS)
def test_a_head_without_weights_is_a_head_removed(family: str) -> None:
    own, losses = model(family), causal_lm.next_token_losses(model(family))
    weights, parts = causal_lm.weights(own), components(own)
    for layer, head in ((0, 0), (1, 2)):
        zeroed = losses(masked(weights, parts[f"{layer}:{head}"], 0.0), tokens())

        def remove(outputs: Tensor, head: int = head) -> None:
            outputs[:, :, head] = 0.0

        with heads_outputs(own, family, layer, remove):
            removed = losses(weights, tokens())
        torch.testing.assert_close(zeroed, removed)
        assert not torch.allclose(removed, losses(weights, tokens()))


@pytest.mark.parametrize("family", MODELS)
def test_a_head_has_all_weights_that_only_it_uses(family: str) -> None:
    """New values for its queries, keys and values change its own outputs and no other's; and the
    heads together have every weight of these projections, each once."""
    own, losses = model(family), causal_lm.next_token_losses(model(family))
    weights, parts = causal_lm.weights(own), components(own)
    with heads_outputs(own, family, 1) as seen:
        losses(weights, tokens())
        losses(masked(weights, parts["1:2"], 0.3), tokens())
    before, after = seen
    for head in range(4):
        same = torch.allclose(before[:, :, head], after[:, :, head], atol=1e-6)
        assert same == (head != 2), head
    out = OUT.get(family, "model.layers.{}.self_attn.o_proj").format(1)
    for name in parts["1:0"]:
        together = torch.stack([parts[f"1:{head}"][name] for head in range(4)])
        assert (together.sum(0) == 1).all(), name
    of_out = {name for name in parts["1:0"] if name.startswith(out)}
    assert of_out == {f"{out}.weight"}
    expected = {
        name
        for name in parts["layer1"]
        if name.startswith(out.rpartition(".")[0]) and not name.startswith(out)
    }
    assert set(parts["1:0"]) - of_out == {name for name in expected if "norm" not in name}


def test_heads_that_share_keys_are_no_components() -> None:
    parts = components(model("llama", num_key_value_heads=2))
    assert list(parts) == ["layer0", "mlp0", "layer1", "mlp1", "embedding", "unembedding"]


def test_unknown_families_have_their_blocks() -> None:
    config = transformers.MambaConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=2, state_size=4
    )
    own = transformers.MambaForCausalLM(config)
    parts = components(own)
    assert list(parts) == ["layer0", "layer1", "embedding"]
    assert all(name.startswith("backbone.layers.1.") for name in parts["layer1"])


def test_tied_weights_count_once() -> None:
    own = model("gpt2")
    assert own.lm_head.weight is own.transformer.wte.weight
    weights = causal_lm.weights(own)
    assert "transformer.wte.weight" in weights
    assert "lm_head.weight" not in weights
    parts = components(own)
    assert "unembedding" not in parts
    assert list(parts["embedding"]) == ["transformer.wte.weight"]
    # both uses follow the one tensor
    losses = causal_lm.next_token_losses(own)
    changed = weights | {"transformer.wte.weight": torch.zeros_like(own.lm_head.weight)}
    ignorant = torch.full((3, 8), 64.0).log()
    torch.testing.assert_close(losses(changed, tokens()), ignorant)


@pytest.mark.parametrize("family", MODELS)
def test_components_are_parameters_of_the_model(family: str) -> None:
    own = model(family)
    weights = causal_lm.weights(own)
    for name, masks in components(own).items():
        assert masks, name
        for parameter, mask in masks.items():
            assert mask.dtype == torch.bool
            assert mask.shape == weights[parameter].shape
            assert mask.any()

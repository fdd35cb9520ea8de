"""The heads and layers of a causal language model, as masks of its parameters."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, ModuleList

Masks = dict[str, Tensor]
"""Parameter -> boolean tensor like it. Masks of heads are views that take no memory."""

SEPARATE = {
    "gpt_neo": ("attn.attention", "out_proj"),
    "llama": ("self_attn", "o_proj"),
    "mistral": ("self_attn", "o_proj"),
    "opt": ("self_attn", "out_proj"),
    "phi": ("self_attn", "dense"),
    "qwen2": ("self_attn", "o_proj"),
    "qwen3": ("self_attn", "o_proj"),
}
"""Family with projections q_proj, k_proj and v_proj -> where, and the projection of the output."""


def components(module: Any) -> dict[str, Masks]:
    """Name -> the parameters that belong to it.

    layer<k>     everything of the k-th block, from 0
    mlp<k>       its multilayer perceptron
    <k>:<h>      head h of block k: its queries, keys and values, and what reads its output. Of the
                 families whose layout is known, where no head shares its keys with others; biases
                 of the output and norms belong to no head
    embedding    the token embedding
    unembedding  what gives the scores, if it is not tied to the embedding
    """
    found: dict[str, Masks] = {}
    prefix, blocks = _blocks(module)
    for k, block in enumerate(blocks):
        own = [f"{prefix}.{k}.{name}" for name, _ in block.named_parameters()]
        found[f"layer{k}"] = _whole(module, own)
        perceptron = [name for name in own if name.startswith(f"{prefix}.{k}.mlp.")]
        if perceptron:
            found[f"mlp{k}"] = _whole(module, perceptron)
        for h, masks in enumerate(_heads(module.config, block)):
            found[f"{k}:{h}"] = {f"{prefix}.{k}.{name}": mask for name, mask in masks.items()}
    names = {id(tensor): name for name, tensor in module.named_parameters()}
    embedding = module.get_input_embeddings().weight
    found["embedding"] = _whole(module, [names[id(embedding)]])
    unembedding = module.get_output_embeddings()
    own = [names[id(t)] for t in unembedding.parameters() if t is not embedding]
    if own:
        found["unembedding"] = _whole(module, own)
    return found


def _blocks(module: Any) -> tuple[str, ModuleList]:
    """Where the blocks are, and the blocks: the first list of as many modules as there are layers.

    Without one, an empty list: the model has no layers that could be told apart.
    """
    layers = getattr(module.config, "num_hidden_layers", 0)
    for name, part in module.named_modules():
        if isinstance(part, ModuleList) and len(part) == layers:
            return name, part
    return "", ModuleList()


def _whole(module: Module, names: list[str]) -> Masks:
    known = dict(module.named_parameters())
    return {name: torch.tensor(True).expand(known[name].shape) for name in names if name in known}


def _heads(config: Any, block: Any) -> Iterator[Masks]:
    """Masks of every head, by names within the block; none where the layout is not known."""
    family, heads = config.model_type, getattr(config, "num_attention_heads", 0)
    shared = (getattr(config, "num_key_value_heads", None) or heads) != heads
    for h in range(heads):
        if family == "gpt_neox":  # rows ordered by head, then query, key, value
            fused = _into(block, "attention.query_key_value", h, heads)
            yield fused | _out_of(block, "attention.dense", h, heads)
        elif family == "gpt2":  # weights (input, output), ordered by query, key, value, then head
            fused = _into(block, "attn.c_attn", h, heads, parts=3, axis=1)
            yield fused | _out_of(block, "attn.c_proj", h, heads, axis=0)
        elif family in SEPARATE and not shared:
            where, out = SEPARATE[family]
            masks = _out_of(block, f"{where}.{out}", h, heads)
            for name in ("q_proj", "k_proj", "v_proj"):
                masks |= _into(block, f"{where}.{name}", h, heads)
            yield masks


def _into(block: Module, name: str, h: int, heads: int, *, parts: int = 1, axis: int = 0) -> Masks:
    """Weights and biases of a projection that give the entries of head h.

    Entries stand along `axis`, in `parts` equal parts with one equal share for every head.
    """
    masks = _out_of(block, name, h, heads, parts=parts, axis=axis)
    bias = getattr(block.get_submodule(name), "bias", None)
    if bias is not None:
        masks[f"{name}.bias"] = _share(len(bias), h, heads, parts)
    return masks


def _out_of(
    block: Module, name: str, h: int, heads: int, *, parts: int = 1, axis: int = 1
) -> Masks:
    """Weights of a projection that meet the entries of head h, which stand along `axis`."""
    weight = block.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    own = _share(weight.shape[axis], h, heads, parts)
    return {f"{name}.weight": own.unsqueeze(1 - axis).expand(weight.shape)}


def _share(length: int, h: int, heads: int, parts: int) -> Tensor:
    """(length,) True in the h-th of `heads` equal shares of each of `parts` equal parts."""
    return torch.arange(length) // (length // (parts * heads)) % heads == h

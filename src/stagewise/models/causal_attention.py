"""Attention of transformers' models on whole texts, where every place sees all before it."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "whole_texts"
"""Under which it can be given to transformers, once registered."""


def register() -> None:
    """Makes it known to transformers, as NAME: `attn_implementation` of a model without padding,
    windows or dropout. They make no mask for an attention they know none for."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attention)


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    scaling: float,
    **further: Any,
) -> tuple[Tensor, None]:
    """softmax(scaling q k^T) v, (sample, place, head, size) from three of (sample, head, place,
    size), and nothing, as transformers wants it."""
    mixed = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    return mixed.transpose(1, 2).contiguous(), None

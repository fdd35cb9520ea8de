"""Attention of transformers' models on whole texts, where every place sees all before it."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "whole_texts"
"""Under which it can be given to transformers, once registered."""


def register() -> None:
    """Makes it known to transformers, as NAME: `attn_implementation` of a model without padding,
    windows or dropout."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, eager_mask)


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **further: Any,
) -> tuple[Tensor, None]:
    """softmax(scaling q k^T) v, (sample, place, head, size) from three of (sample, head, place,
    size), and nothing, as transformers wants it."""
    mixed = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    return mixed.transpose(1, 2).contiguous(), None

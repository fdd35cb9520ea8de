"""The models that the engine is timed on, as functions of one model's tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from stagewise.models import attention_only, mlp
from stagewise.models.superposition import reconstruction_losses
from stagewise.testbeds.digits_mlp import build as digits

Losses = Callable[[Mapping[str, Tensor], Any, Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Workload:
    """One model, its data, and how it is sampled."""

    weights: dict[str, Tensor]
    losses: Losses
    """(tensors of one model, nothing, batch) -> (sample,)"""
    data: dict[str, Tensor]
    batch: int
    chains: tuple[int, ...]
    steps: int
    """Of one repeat, of ours and JAX's."""
    half: bool = False
    """Whether we, and the bare gradient, make matrix products in bfloat16; peers do not."""

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.weights.values())


def _toy() -> Workload:
    stream = torch.Generator().manual_seed(0)
    x = torch.zeros(1000, 6)
    x[torch.arange(1000), torch.randint(0, 6, (1000,), generator=stream)] = torch.rand(
        1000, generator=stream
    )
    weights = {"W": 0.3 * torch.randn(2, 6, generator=stream), "b": torch.zeros(6)}
    return Workload(
        weights,
        lambda w, c, batch: reconstruction_losses(w["W"], w["b"], batch["x"]),
        {"x": x},
        256,
        (16, 64, 256),
        128,
    )


def deep_linear(layers: int, width: int) -> Workload:
    """A deep linear network at random weights."""
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(1000, width, generator=stream)
    weights = {
        f"W{k}": torch.randn(width, width, generator=stream) / width**0.5 for k in range(layers)
    }

    def losses(w: Mapping[str, Tensor], c: Any, batch: Mapping[str, Tensor]) -> Tensor:
        out = batch["x"]
        for k in range(layers):
            out = out @ w[f"W{k}"]
        return (out - batch["x"]).square().sum(-1)

    return Workload(weights, losses, {"x": x}, 256, (16, 64, 256), 64)


def _digits() -> Workload:
    bed = digits({"hidden": [64], "train": 1500}, 0)
    assert bed.initial is not None
    return Workload(
        bed.initial(torch.Generator().manual_seed(0)),
        lambda w, c, batch: mlp.cross_entropies(w, batch["x"], batch["y"]),
        bed.data,
        128,
        (16, 64),
        64,
    )


def _transformer(vocabulary: int, width: int, heads: int, batch: int) -> Workload:
    stream = torch.Generator().manual_seed(0)
    weights = attention_only.initial(
        vocabulary=vocabulary, context=64, width=width, heads=heads, layers=2, stream=stream
    )
    tokens = torch.randint(0, vocabulary, (512, 64), generator=stream)
    return Workload(
        weights,
        lambda w, c, batch: attention_only.next_token_losses(w, batch["tokens"]).mean(-1),
        {"tokens": tokens},
        batch,
        (1, 4),
        4,
    )


def workloads() -> dict[str, Workload]:
    """By name, in the order of their size."""
    return {
        "superposition": _toy(),
        "deep_linear_3x8": deep_linear(3, 8),
        "deep_linear_2x32": deep_linear(2, 32),
        "deep_linear_4x16": deep_linear(4, 16),
        "digits_mlp": _digits(),
        "attention_100k": _transformer(256, 80, 4, 16),
        "attention_650k": _transformer(1024, 184, 4, 16),
        "attention_100k_bfloat16": replace(_transformer(256, 80, 4, 16), half=True),
        "attention_650k_bfloat16": replace(_transformer(1024, 184, 4, 16), half=True),
    }

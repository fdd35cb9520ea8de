"""Two-layer linear networks that learn the properties of items on a tree, level by level."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from stagewise.data.semantic_hierarchy import tree, unstructured
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed


@dataclass(frozen=True)
class Model:
    """What is learned, and the network."""

    targets: Literal["tree", "unstructured"] = "tree"
    """unstructured: the same singular values, no hierarchy."""
    width: int = 16
    """Of the hidden layer."""
    initial_scale: float = 0.002
    """Standard deviation of the initial weights: the smaller, the farther apart are the stages."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width: must be at least 1, got {self.width}")
        if self.initial_scale <= 0:
            raise ValueError(f"initial_scale: must be positive, got {self.initial_scale}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """Networks f(x) = W2 W1 x of one-hot items; `seed` chooses the initial weights (and targets
    without structure).

    Loss of an item: |W2 W1 x - y|^2 / 2 (Lee et al. 2025, 2510.12071). Observables: items, the loss
    of each of the eight.
    """
    model = build_settings(Model, settings, "semantic_hierarchy.model")
    targets = torch.from_numpy(tree() if model.targets == "tree" else unstructured(seed)).float()
    properties, items = targets.shape
    data = {"x": torch.eye(items, dtype=targets.dtype), "y": targets.T.contiguous()}

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return (batch["x"] @ w["W1"].T @ w["W2"].T - batch["y"]).square().sum(-1) / 2

    def initial(stream: torch.Generator) -> dict[str, Tensor]:
        shapes = {"W1": (model.width, items), "W2": (properties, model.width)}
        return {
            name: torch.randn(shape, generator=stream) * model.initial_scale
            for name, shape in shapes.items()
        }

    return Testbed(
        name="semantic_hierarchy",
        losses=losses,
        data=data,
        initial=initial,
        observables={"items": Observable(losses, data)},
    )

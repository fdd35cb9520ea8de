"""Losses whose values and gradients can be written down, and a few steps on them."""

from typing import Any

from torch import Tensor

SETTINGS: dict[str, Any] = {
    "kernel": "sgld",
    "n": [100.0],
    "localization": 1.0,
    "epsilon": 1e-3,
    "steps": 8,
    "burn_in": 2,
    "chains": 2,
    "batch": 4,
}


def losses(w: Any, constants: Any, batch: Any) -> Tensor:
    """|w - y|^2 / 2 of every sample."""
    return (w["w"] - batch["y"]).square().sum(-1) / 2

"""Perceptrons that classify handwritten digits, with right labels or some wrong ones."""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from stagewise.data.digits import CLASSES, digits, with_wrong_labels
from stagewise.models import mlp
from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Model:
    """Data and layers."""

    data: Literal["sklearn", "mnist"] = "sklearn"
    train: int = 1500
    """Training images."""
    hidden: list[int] = field(default_factory=lambda: [64])
    """Widths of the hidden layers."""
    wrong_labels: float = 0.0
    """Share of the training labels that are replaced by another class."""
    activation: Literal["relu", "tanh"] = "relu"
    offset: float = 0.0
    """Taken from every pixel, which are then from -offset to 1 - offset."""
    penalty: float = 0.0
    """Added to every training loss: half of this times the squared norm of all weights."""
    test: int | None = None
    """Test images, the first of them; by default all."""

    def __post_init__(self) -> None:
        if self.train < 1:
            raise ValueError(f"train: must be at least 1, got {self.train}")
        if not 0 <= self.wrong_labels < 1:
            raise ValueError(f"wrong_labels: must be in [0, 1), got {self.wrong_labels}")
        if self.penalty < 0:
            raise ValueError(f"penalty: must not be negative, got {self.penalty}")
        if self.test is not None and self.test < 1:
            raise ValueError(f"test: must be at least 1, got {self.test}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """The classifier as a testbed; `seed` chooses the wrong labels (and the initial weights).

    Loss: cross-entropy of each image, in nats, and the penalty. Metrics: train_accuracy (on
    the labels as trained on), test_accuracy and norm, of all weights. Components: layer1, layer2,
    ... Observables: train and test, the cross-entropy of each image.
    """
    model = build_settings(Model, settings, "digits_mlp.model")
    found = digits(model.data, train=model.train)
    labels = with_wrong_labels(
        found.labels, model.wrong_labels, stream=generator(seed, "wrong labels")
    )
    widths = [found.inputs.shape[1], *model.hidden, CLASSES]
    activation = ACTIVATIONS[model.activation]

    def entropies(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return mlp.cross_entropies(w, batch["x"], batch["y"], activation)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        each = entropies(w, constants, batch)
        if not model.penalty:
            return each
        return each + model.penalty / 2 * torch.stack([t.square().sum() for t in w.values()]).sum()

    def accuracy(w: Parameters, batch: Batch) -> Tensor:
        return mlp.accuracy(w, batch["x"], batch["y"], activation)

    data = {"x": found.inputs - model.offset, "y": labels}
    test = {"x": found.test_inputs[: model.test] - model.offset}
    test["y"] = found.test_labels[: model.test]
    return Testbed(
        name="digits_mlp",
        losses=losses,
        data=data,
        initial=lambda stream: mlp.initial(widths, stream=stream),
        metrics={
            "train_accuracy": lambda w, constants: accuracy(w, data),
            "test_accuracy": lambda w, constants: accuracy(w, test),
            "norm": lambda w, constants: mlp.norm(w),
        },
        components=mlp.layers(widths),
        observables={"train": Observable(entropies, data), "test": Observable(entropies, test)},
    )

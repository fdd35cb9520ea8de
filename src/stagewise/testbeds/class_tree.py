"""Perceptrons that tell apart Gaussian classes whose means lie on a binary tree."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stagewise.data.class_tree import around, leaf_means
from stagewise.models import mlp
from stagewise.seeds import generator
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Testbed


@dataclass(frozen=True)
class Model:
    """The tree, its samples and the layers."""

    norms: list[float] = field(default_factory=lambda: [2.2, 1.6, 1.2])
    """Of the vectors of the nodes, coarse to fine; as many as the tree has levels."""
    dimensions: int = 16
    noise: float = 0.3
    """Standard deviation within a class."""
    samples: int = 20
    """Of each class."""
    hidden: list[int] = field(default_factory=lambda: [24, 24])
    """Widths of the hidden layers."""

    def __post_init__(self) -> None:
        if not self.norms or min(self.norms) <= 0:
            raise ValueError(f"norms: must be positive, one a level, got {self.norms}")
        if self.noise <= 0:
            raise ValueError(f"noise: must be positive, got {self.noise}")
        for name in ("dimensions", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """A tanh classifier of the leaves; `seed` draws the tree, its samples and the initial weights.

    It stands for the classes of WordNet of the loss kernel's paper (2509.26537): labels name leaves
    alone, and the tree is in the inputs. Loss: cross-entropy, nats. Outputs: the logits of all
    samples. Metrics: train_accuracy, and test_accuracy on as many new samples. Observables: train.
    """
    model = build_settings(Model, settings, "class_tree.model")
    means = leaf_means(model.norms, model.dimensions, stream=generator(seed, "tree"))
    inputs, labels = around(means, model.samples, model.noise, stream=generator(seed, "samples"))
    test = around(means, model.samples, model.noise, stream=generator(seed, "test"))
    widths = [model.dimensions, *model.hidden, len(means)]

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return mlp.cross_entropies(w, batch["x"], batch["y"], torch.tanh)

    data = {"x": inputs, "y": labels}
    return Testbed(
        name="class_tree",
        losses=losses,
        data=data,
        initial=lambda stream: mlp.initial(widths, stream=stream),
        metrics={
            "train_accuracy": lambda w, constants: mlp.accuracy(w, inputs, labels, torch.tanh),
            "test_accuracy": lambda w, constants: mlp.accuracy(w, *test, torch.tanh),
        },
        outputs=lambda w: mlp.logits(
            w, inputs.to(next(iter(w.values())).dtype), torch.tanh
        ).flatten(),
        observables={"train": Observable(losses, data)},
    )

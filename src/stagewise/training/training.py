"""Settings of one training run."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Emphasis:
    """Some steps in which part of every minibatch comes from one distribution of the testbed."""

    distribution: str
    """Its name there."""
    share: float
    """Of the minibatch, in whole samples: as many as otherwise in all."""
    start: int
    """Steps before the first of them."""
    end: int
    """The last of them, counted from 1."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share: must be in (0, 1], got {self.share}")
        if not 0 <= self.start < self.end:
            raise ValueError(f"end: must be beyond start = {self.start}, got {self.end}")


@dataclass(frozen=True)
class Configuration:
    """One setting of the optimizer; a run trains all its configurations side by side."""

    learning_rate: float
    batch: int | None = None
    """Data in a minibatch, drawn with replacement; null: all data."""
    momentum: float = 0.0
    """Of `sgd`."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    """Of `adamw`: shares of the running means of gradients and of their squares that are kept."""
    weight_decay: float = 0.0
    """Of `adamw`: shrinks matrices and tables, not vectors (norms, biases), by this times the
    learning rate at every step."""
    warmup: int = 0
    """Steps over which the learning rate rises linearly from zero."""
    anneal: int = 0
    """Steps at the end over which the learning rate falls linearly to zero: where the gradient's
    noise keeps a model off its minimum, this brings it there."""
    emphasis: Emphasis | None = None
    """Such a configuration sees the minibatches of the first that is like it in all else, but for
    the samples that are emphasised."""

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate: must be positive, got {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: must be in [0, 1), got {self.momentum}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: must be two numbers in [0, 1), got {self.betas}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay: must not be negative, got {self.weight_decay}")
        if self.optimizer == "sgd" and self.weight_decay > 0:
            raise ValueError("weight_decay: only adamw has it; leave it out of sgd")
        if self.optimizer == "adamw" and self.momentum > 0:
            raise ValueError("momentum: adamw has `betas` instead")
        if self.warmup < 0:
            raise ValueError(f"warmup: must not be negative, got {self.warmup}")
        if self.anneal < 0:
            raise ValueError(f"anneal: must not be negative, got {self.anneal}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch: must be at least 1, got {self.batch}")
        if self.emphasis is not None and self.batch is None:
            raise ValueError("emphasis: is on minibatches; give a `batch`")


@dataclass(frozen=True)
class Training:
    """How the models of a run are trained."""

    configurations: list[Configuration]
    steps: int
    """Steps of gradient descent."""
    start: str | None = None
    """Another variant of the testbed: models start at its last checkpoint, of the same seed, as in
    fine-tuning. By default from fresh weights."""
    precision: Literal["full", "bfloat16"] = "full"
    """Of matrix products, as of samplings. Weights and the optimizer's memory stay whole."""
    models: int = 1
    """Independent initialisations per configuration."""
    linear_checkpoints: int = 1
    """Evenly spaced checkpoints."""
    log_checkpoints: int = 0
    """Logarithmically spaced checkpoints."""
    target_losses: list[float] = field(default_factory=list)
    """Also a checkpoint where the loss on all data first falls to each of these values; none for
    a value that it starts below."""
    target_steps: int | None = None
    """Models with a target still ahead go on up to this step; by default they stop at `steps`."""
    descend_from: float = 1.0
    """Training as configured ends at this multiple of a target; gradient descent on all data, the
    same for every configuration, goes from there to the target itself. So all checkpoints of a
    target lie on smooth paths, free of the noise of their training. 1: no descent."""
    descent_rate: float = 0.1
    """Learning rate of that descent."""
    descent_steps: int = 5000
    """Most steps of it; a target not met by then has no checkpoint."""
    evaluate_every: int = 25
    """Steps between two evaluations of the loss on all data, while a target is ahead."""

    def __post_init__(self) -> None:
        for name in ("steps", "models", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")
        if not self.configurations:
            raise ValueError("configurations: must not be empty")
        if sorted(self.target_losses, reverse=True) != list(self.target_losses):
            raise ValueError(f"target_losses: must fall, got {self.target_losses}")
        if self.target_steps is not None and self.target_steps < self.steps:
            raise ValueError(
                f"target_steps: must be at least steps = {self.steps}, got {self.target_steps}"
            )
        for setting in self.configurations:
            if setting.emphasis is not None and setting.emphasis.end > self.steps:
                raise ValueError(
                    f"emphasis.end: {setting.emphasis.end} is beyond steps = {self.steps}"
                )
            if setting.anneal > self.steps:
                raise ValueError(f"anneal: {setting.anneal} is beyond steps = {self.steps}")
            if setting.anneal and self.target_losses:
                raise ValueError("anneal: has no end to anneal to where targets are ahead")
        if self.descend_from < 1:
            raise ValueError(f"descend_from: must be at least 1, got {self.descend_from}")
        if self.descent_rate <= 0:
            raise ValueError(f"descent_rate: must be positive, got {self.descent_rate}")

    @property
    def longest(self) -> int:
        """Most steps that any model takes."""
        return self.target_steps if self.target_losses and self.target_steps else self.steps

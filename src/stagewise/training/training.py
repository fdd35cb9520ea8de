"""Settings of one training run."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Configuration:
    """One setting of the optimizer; a run trains all its configurations side by side."""

    learning_rate: float
    batch: int | None = None
    """Data in a minibatch, drawn with replacement; null: all data."""
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate: must be positive, got {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: must be in [0, 1), got {self.momentum}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch: must be at least 1, got {self.batch}")


@dataclass(frozen=True)
class Training:
    """How the models of a run are trained, by stochastic gradient descent."""

    configurations: list[Configuration]
    steps: int
    """Steps of gradient descent."""
    models: int = 1
    """Independent initialisations per configuration."""
    linear_checkpoints: int = 1
    """Evenly spaced checkpoints."""
    log_checkpoints: int = 0
    """Logarithmically spaced checkpoints."""
    target_losses: list[float] = field(default_factory=list)
    """Also a checkpoint where the loss on all data first falls to each of these values."""
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

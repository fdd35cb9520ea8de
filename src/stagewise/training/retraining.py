"""Settings of training on random subsets of the data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retraining:
    """Which subsets, and how often."""

    shares: list[float]
    """Of the training data that a subset has."""
    subsets: int
    """Of each size."""
    repeats: int
    """Trainings on every subset, from other initial weights."""
    observable: str
    """Of the testbed, whose losses are recorded after training."""

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ValueError(f"shares: must be in (0, 1], got {self.shares}")
        for name in ("subsets", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, got {getattr(self, name)}")

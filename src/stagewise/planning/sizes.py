"""Sizes of one model of a testbed and of its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Model = Mapping[str, Any]
"""The section `model` of a variant."""


@dataclass(frozen=True)
class Network:
    """Sizes of one model of a testbed and of its data."""

    parameters: int
    """As they are stored, padding included."""
    operations: float
    """Of one sample's loss, or of a population loss: each multiplication and each addition."""
    samples: int = 1
    """That batches are drawn from; 1 of a population loss."""
    reported: int | None = None
    """Samples that reported losses are taken on, if not all."""
    points: int = 0
    """That the testbed knows; 0 where it is trained."""
    item: int = 4
    """Bytes of a weight."""
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values of the index of known points, each for an equal share of them."""
    observables: Mapping[str, int] = field(default_factory=dict)
    """Name -> its samples."""
    entries: int = 1
    """Losses of a sample of an observable: 1, or its tokens."""
    ablated: int = 0
    """Components that are left out in turn to see what is lost."""
    factors: tuple[int, int] = (0, 0)
    """Of deep linear networks: how many, and how wide."""
    whole: float | None = None
    """Operations of the loss on all data, where sufficient statistics give it."""

    @property
    def on_all_data(self) -> float:
        """Operations of the loss on all data."""
        return self.operations * self.samples if self.whole is None else self.whole

    @property
    def on_reported(self) -> float:
        """Operations of a reported loss."""
        return self.operations * self.reported if self.reported else self.on_all_data

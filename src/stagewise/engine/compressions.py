"""Settings of one compression of a set of checkpoints."""

from dataclasses import dataclass, field
from typing import Any, Literal

from stagewise.engine.sampling import Weights

DETERMINISTIC = ("factorization", "pruning")
"""Schemes that give the same every time."""


@dataclass(frozen=True)
class Way:
    """One scheme of `stagewise.compression` with its settings, and the amounts it is tried at."""

    scheme: Literal["quantization", "factorization", "pruning", "noise"]
    most: float
    """The largest amount, where the sweep begins: levels of a quantizer (odd), share of the rank
    or of the weights that is kept, signal over noise."""
    least: float | None = None
    """The smallest amount; of a quantizer always 3."""
    count: int = 24
    """Amounts: evenly spaced shares, else evenly in their logarithm."""
    draws: int = 1
    """Repetitions with other dithers or noise, the same ones at every checkpoint."""
    quantile: float = 1.0
    """Of a quantizer: the share of the magnitudes that its range covers."""
    rows: bool = False
    """Of a quantizer: whether each row of a matrix has a range of its own."""
    absolute: bool = False
    """Of noise: in units of weight, instead of each matrix's root mean square."""

    def __post_init__(self) -> None:
        quantizer, share = self.scheme == "quantization", self.scheme in DETERMINISTIC
        if self.count < 2:
            raise ValueError(f"count: must be at least 2, got {self.count}")
        if self.draws < 1:
            raise ValueError(f"draws: must be at least 1, got {self.draws}")
        if share and self.draws > 1:
            raise ValueError(f"draws: {self.scheme} is the same every time; leave it out")
        if quantizer and (self.most % 2 != 1 or self.most < 2 * self.count + 1):
            raise ValueError(
                f"most: must be odd and at least 2 count + 1 = {2 * self.count + 1} levels, "
                f"got {self.most}"
            )
        if quantizer != (self.least is None):
            raise ValueError("least: a quantizer's is always 3; every other scheme needs one")
        if self.least is not None and not 0 < self.least < self.most:
            raise ValueError(f"least: must lie between 0 and most, got {self.least}")
        if share and self.most > 1:
            raise ValueError(f"most: a share to keep is at most 1, got {self.most}")
        if not quantizer and (self.rows or self.quantile != 1):
            raise ValueError("rows, quantile: only quantization has them")
        if not 0 < self.quantile <= 1:
            raise ValueError(f"quantile: must be above 0 and at most 1, got {self.quantile}")
        if self.absolute and self.scheme != "noise":
            raise ValueError("absolute: only noise has it")


@dataclass(frozen=True)
class Compressions:
    """How far every checkpoint is compressed, and in which ways."""

    schemes: dict[str, Way]
    """By the name they have in the tables."""
    tolerances: list[float]
    """Rises of the loss, in `tolerance_unit`, that make an amount critical."""
    tolerance_unit: Literal["nats", "first"] = "nats"
    """nats, or the loss of the first checkpoint of the run."""
    samples: int | None = None
    """Of the data of reported losses, the first ones that rises are taken on; by default all."""
    checkpoints: dict[str, Any] = field(default_factory=dict)
    """Column of the index -> value or values; by default all checkpoints."""
    weights: Weights = "own"
    """Of the checkpoints; others are a control (`engine.scrambled`)."""
    coded: list[float] = field(default_factory=list)
    """Numbers of levels that quantized checkpoints are also written as bytes at."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where models are made and evaluated. Noise drawn on a GPU is other noise."""

    def __post_init__(self) -> None:
        if not self.schemes:
            raise ValueError("schemes: must not be empty")
        if not self.tolerances or min(self.tolerances) <= 0:
            raise ValueError(f"tolerances: positive numbers, got {self.tolerances}")
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples: must be at least 1, got {self.samples}")
        if self.coded and not any(w.scheme == "quantization" for w in self.schemes.values()):
            raise ValueError("coded: bytes are of quantized checkpoints; no scheme is a quantizer")

"""How much of the data is taken at once, so that what it takes fits into memory."""

from collections.abc import Callable, Mapping

from torch import Tensor

from stagewise.engine.cost import cost

PIECE = 1 << 28
"""Bytes that the operations of one piece write, where losses are reported."""
FEW = 8
"""Samples that tell what one costs."""


def piece_length(
    call: Callable[[dict[str, Tensor]], object], data: Mapping[str, Tensor], memory: int
) -> int:
    """Samples of `data`, tensors (sample, ...), on which the operations of `call` write no more
    than `memory` bytes; at least one, and perhaps more than there are. Counted on a few."""
    few = {name: tensor[:FEW] for name, tensor in data.items()}
    written = cost(lambda: call(few)).written
    return max(1, len(next(iter(few.values()))) * memory // max(1, written))


def pieces(data: Mapping[str, Tensor], length: int) -> list[tuple[float, dict[str, Tensor]]]:
    """The data in pieces of that length, each with its share of the samples."""
    samples = len(next(iter(data.values())))
    return [
        (
            min(length, samples - start) / samples,
            {name: tensor[start : start + length] for name, tensor in data.items()},
        )
        for start in range(0, samples, length)
    ]

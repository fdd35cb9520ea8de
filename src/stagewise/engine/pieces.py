"""How much of the data is taken at once, so that what it takes fits into memory."""

from collections.abc import Callable, Mapping

from torch import Tensor

from stagewise.engine.cost import cost

FEW = 8
"""Samples that tell what one costs."""


def written(call: Callable[[dict[str, Tensor]], object], data: Mapping[str, Tensor]) -> int:
    """Bytes that the operations of `call` write on all of `data`, tensors (sample, ...), counted on
    a few samples."""
    few = _few(data)
    return cost(lambda: call(few)).written * _samples(data) // _samples(few)


def piece_length(
    call: Callable[[dict[str, Tensor]], object], data: Mapping[str, Tensor], memory: int
) -> int:
    """Samples of `data`, tensors (sample, ...), on which the operations of `call` write no more
    than `memory` bytes; at least one, and perhaps more than there are. Counted on a few."""
    few = _few(data)
    return max(1, _samples(few) * memory // max(1, cost(lambda: call(few)).written))


def _few(data: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor[:FEW] for name, tensor in data.items()}


def _samples(data: Mapping[str, Tensor]) -> int:
    return len(next(iter(data.values())))


def pieces(data: Mapping[str, Tensor], length: int) -> list[tuple[float, dict[str, Tensor]]]:
    """The data in pieces of that length, each with its share of the samples."""
    samples = _samples(data)
    return [
        (
            min(length, samples - start) / samples,
            {name: tensor[start : start + length] for name, tensor in data.items()},
        )
        for start in range(0, samples, length)
    ]

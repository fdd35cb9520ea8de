"""Random numbers for chains, each from streams of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from stagewise.engine import twister
from stagewise.engine.sampling import ALL
from stagewise.seeds import generator

MANY = 1 << 19
"""Numbers from which a block is drawn by as many threads as torch has: a millisecond's work."""


class Key(NamedTuple):
    """Which chain, and so what its random numbers hang on, beside the seed."""

    place: int
    """Of the checkpoint."""
    component: str
    n: float
    chain: int

    @property
    def restriction(self) -> tuple[str, ...]:
        """The component's name, or nothing for all weights."""
        return () if self.component == ALL else (self.component,)

    def stream(self, seed: int, use: str) -> Generator:
        """The chain's own stream for that use."""
        return generator(seed, use, self.place, *self.restriction, repr(self.n), self.chain)


class Streams:
    """The random streams of some chains for one use: each has its own, or coupled ones share.

    Coupled chains of all sample sizes have the same numbers, and so have a chain and the next, the
    latter with the opposite sign: what two of them differ in is then not noise.
    """

    def __init__(self, keys: Sequence[Key], seed: int, use: str, *, coupled: bool) -> None:
        leaders = [
            key._replace(n=0.0, chain=key.chain - key.chain % 2) if coupled else key for key in keys
        ]
        places = {leader: place for place, leader in enumerate(dict.fromkeys(leaders))}
        self.generators = [leader.stream(seed, use) for leader in places]
        self._coupled = coupled
        self._used: Tensor | None = None
        self._of = torch.tensor([places[leader] for leader in leaders])
        self._sign = torch.tensor([-1.0 if key.chain % 2 else 1.0 for key in keys])

    def normals(self, steps: int, size: int) -> Tensor:
        """Standard normals (chain, step, size), until the next are drawn."""
        self._used = normal_block(self.generators, steps, size, self._used)
        block = self._given(self._used)
        return block * self._sign[:, None, None] if self._coupled else block

    def indices(self, steps: int, samples: int, batch: int) -> Tensor:
        """Batches drawn with replacement (chain, step, batch), until the next are drawn: indices
        below `samples`."""
        self._used = index_block(self.generators, steps, samples, batch, self._used)
        return self._given(self._used)

    def _given(self, block: Tensor) -> Tensor:
        """The streams' numbers (stream, ...) to their chains (chain, ...)."""
        return block if len(block) == len(self._of) else block[self._of]


def block_length(numbers: int) -> int:
    """Steps whose random numbers are drawn at once, for so many numbers a chain and step.

    Long enough that calling the generator costs little beside the numbers, short enough for
    memory. A part of what a stream means: it hangs on nothing else.
    """
    return max(1, min(64, 16384 // max(1, numbers)))


def normal_block(
    generators: Sequence[Generator], steps: int, size: int, used: Tensor | None = None
) -> Tensor:
    """Standard normals (row, step, size): row r from generators[r] alone. `used` is an earlier
    block that is not needed any more: its memory is taken where it suits.

    Drawn in single precision, which is five times faster: their spacing, 1e-7 of a standard
    deviation, and their range, 5.7 of them, are far below what any number of draws can tell.
    """
    rows = len(generators)
    if steps * size >= twister.SHORTEST and twister.repays(rows * steps * size):
        block = _space(steps, rows, size, torch.float32, used)
        twister.normals(generators, block, _threads(block))
        return block.transpose(0, 1)
    block = torch.empty(rows, steps, size)
    _fill(block, generators, lambda row, stream: row.normal_(generator=stream))
    return block


def index_block(
    generators: Sequence[Generator],
    steps: int,
    samples: int,
    batch: int,
    used: Tensor | None = None,
) -> Tensor:
    """Batches drawn with replacement (row, step, batch): indices below `samples`. For `used` see
    `normal_block`."""
    rows = len(generators)
    if samples < twister.LARGEST and twister.repays(rows * steps * batch):
        block = _space(steps, rows, batch, torch.int64, used)
        twister.indices(generators, block, samples, _threads(block))
        return block.transpose(0, 1)
    block = torch.empty(rows, steps, batch, dtype=torch.int64)
    _fill(block, generators, lambda row, stream: row.random_(samples, generator=stream))
    return block


def _space(steps: int, rows: int, size: int, kind: torch.dtype, used: Tensor | None) -> Tensor:
    """(step, row, size): so that what all rows take in a step lies together."""
    if used is not None and used.dtype == kind:
        turned = used.transpose(0, 1)
        if turned.shape == (steps, rows, size) and turned.is_contiguous():
            return turned
    return torch.empty(steps, rows, size, dtype=kind)


def _threads(block: Tensor) -> int:
    """By how many a block is drawn, which makes no difference to the numbers."""
    return torch.get_num_threads() if block.numel() >= MANY else 1


def _fill(
    block: Tensor, generators: Sequence[Generator], draw: Callable[[Tensor, Generator], object]
) -> None:
    """Draws each row from its stream."""
    threads = _threads(block)
    if threads == 1:
        for row, stream in zip(block, generators, strict=True):
            draw(row, stream)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(draw, block, generators))

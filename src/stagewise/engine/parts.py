"""A block of steps, made by parts of the rows that fit the processor's cache.

Compiled steps of more rows spend their time waiting for memory. Rows know nothing of each other, so
a part makes all steps of the block before the next part makes its first.
"""

from collections.abc import Container, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stagewise.engine.cost import CACHE
from stagewise.engine.execution import Move, Rows
from stagewise.samplers.target import Info, State

FEWEST = 8
"""Rows that a part must have room for: fewer keep the cores too little busy, and of a larger model
nothing fits."""


class Run(NamedTuple):
    """A block of steps of some rows."""

    state: State
    """After the last."""
    infos: list[Info]
    """Of every step."""
    positions: dict[int, Tensor]
    """Step of the block -> where it started, (row, d), of the steps that were asked for."""


def parts(rows: int, written: int) -> list[slice]:
    """Slices that cover the rows, where a step of one row writes so many bytes.

    All of one length, so that one compiled step serves them all: where it does not divide the rows,
    the last begins before its predecessor ends. One slice where the cache holds too few rows.
    """
    fitting = CACHE // max(1, written)
    if fitting < FEWEST:
        return [slice(0, rows)]
    count = -(-rows // fitting)
    length = -(-rows // count)
    starts = [min(number * length, rows - length) for number in range(-(-rows // length))]
    return [slice(start, start + length) for start in starts]


def shares(rows: int, batch: int | None) -> int:
    """In how many shares a compiled step makes a row's batch, so that every thread has work of its
    own: one where there are rows enough, or where they do not divide the batch."""
    wanted = torch.get_num_threads() // rows
    return wanted if batch is not None and wanted > 1 and batch % wanted == 0 else 1


def run(
    move: Move,
    at: Sequence[slice],
    state: State,
    noise: Tensor,
    picked: Tensor | None,
    rows: Rows,
    *,
    kept: Container[int],
) -> Run:
    """As many steps as `noise` (row, step, size) is for, of all rows, part by part.

    `picked` are the steps' batches (row, step, batch), or None for all data; `kept` the steps whose
    positions are wanted.
    """
    runs = [
        _run(
            move,
            type(state)(*(tensor[part] for tensor in state)),
            noise[part],
            None if picked is None else picked[part],
            {name: tensor[part] for name, tensor in rows.items()},
            kept,
        )
        for part in at
    ]
    return Run(
        _all_joined([run.state for run in runs], at),
        [_all_joined(step, at) for step in zip(*(run.infos for run in runs), strict=True)],
        {inner: _joined([run.positions[inner] for run in runs], at) for inner in runs[0].positions},
    )


def _run(
    move: Move,
    state: State,
    noise: Tensor,
    picked: Tensor | None,
    rows: Rows,
    kept: Container[int],
) -> Run:
    infos: list[Info] = []
    positions = {}
    for inner in range(noise.shape[1]):
        if inner in kept:
            positions[inner] = state.position
        chosen = None if picked is None else picked[:, inner].contiguous()
        own = noise[:, inner].to(state.position.dtype).contiguous()
        state, info = move(state, own, chosen, rows)
        infos.append(info)
    return Run(state, infos, positions)


def _joined(pieces: Sequence[Tensor], at: Sequence[slice]) -> Tensor:
    """The parts' tensors (row, ...) as one, with every row once."""
    if len(pieces) == 1:
        return pieces[0]
    following = [*(part.start for part in at[1:]), at[-1].stop]
    kept = [p[: stop - part.start] for p, part, stop in zip(pieces, at, following, strict=True)]
    return torch.cat(kept)


def _all_joined(pieces: Sequence[Any], at: Sequence[slice]) -> Any:
    """The parts' states, or infos, as one; what is None stays None."""
    fields = [
        None if field[0] is None else _joined(field, at) for field in zip(*pieces, strict=True)
    ]
    return type(pieces[0])(*fields)

"""How the steps of chains are executed: one operation after another, or compiled."""

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from stagewise.engine.cost import CACHE, Cost, cost
from stagewise.engine.layout import rewritten
from stagewise.engine.machine_code import compiler, uncompiled
from stagewise.engine.own_operations import own_operations, usable
from stagewise.samplers.target import Info, State

log = logging.getLogger("stagewise")

OVERHEAD, TRAFFIC = 2.5e-6, 2.5e-11
"""Seconds that compiling saves of an operation, and of a byte that operations hand on."""
COMPILING = 6.0, 0.015
"""Seconds it takes to compile a step, and for each of its operations."""
LOADING, MULTIPLYING = 1.0, 3e-10
"""Seconds it takes to load our own kernels, and that they save of a byte that operations hand on,
of models too large for the cache."""

ENOUGH = 0.25
"""Share of what a large model's step writes, of operations that we have kernels for, from which
these, one after another, are sooner done than a compiled step. Attention-only transformers have
0.28 to 0.5 (0.7 to 1.1 of the compiled step's time, in bfloat16 up to 1.4), GPT-NeoX, whose
attention is torch's, 0.22 (1.2 to 1.8)."""

Execution = Literal["auto", "eager", "compiled"]
Rows = Mapping[str, Tensor]
"""What tells rows apart: tensors (row, ...)."""
Move = Callable[[State, Tensor, Tensor | None, Rows], tuple[State, Info]]
"""(state, noise (row, size), picked data (row, batch) or None for all, rows) -> (state, info): one
step of a sampler, a pure function of tensors."""


@dataclass(frozen=True)
class Mode:
    """How steps are made."""

    compile: bool
    """As machine code."""
    alone: bool
    """Rows one after another; see `Program`."""
    own: bool
    """By our own kernels."""


EAGER = Mode(compile=False, alone=False, own=False)
"""One operation of torch's after another, of all rows."""


def mode_of(choice: Execution, *, device: str, steps: int, one: Cost, rows: int) -> Mode:
    """Of a run of so many steps of so many rows, one of which costs that; logs it."""
    every = one.times(rows)
    large = device == "cpu" and one.written > CACHE
    own = large and multiplies(choice, steps=steps, cost=every)
    sooner = own and one.ours >= ENOUGH * one.written
    compile = not sooner and compiles(choice, steps=steps, cost=every)
    if own and not compile:
        log.info("products of matrices and attention by our own kernels")
    return Mode(compile, alone=large and not compile, own=own and not compile)


def compiles(choice: Execution, *, steps: int, cost: Cost) -> bool:
    """Whether a run of so many steps, each of that cost, is to be compiled; logs it.

    By default, where a compiler is present and the run is long enough to repay it. Decided by
    counting, not by timing, so that a run is executed in the same way whenever it is repeated.
    """
    fixed, each = COMPILING
    saved = steps * (cost.operations * OVERHEAD + cost.written * TRAFFIC)
    repaid = saved > fixed + cost.operations * each
    wanted = choice == "compiled" or (choice == "auto" and repaid)
    found = compiler() if wanted else None
    if wanted and found is None:
        log.warning("no C++ compiler (CXX, or g++ on the path): the steps run uncompiled")
    log.info(
        "%d steps of %d operations and %.3g MB: %s",
        steps,
        cost.operations,
        cost.written / 1e6,
        "compiled" if found else "not compiled",
    )
    return found is not None


def multiplies(choice: Execution, *, steps: int, cost: Cost) -> bool:
    """Whether a run that is not compiled is to use our own kernels.

    By default, where a compiler is present and the run is long enough to repay loading them.
    """
    repaid = steps * cost.written * MULTIPLYING > LOADING
    return choice == "auto" and repaid and compiler() is not None and usable()


def repaid_operations(call: Callable[[], object], *, calls: int) -> AbstractContextManager[None]:
    """In it so many calls like this one, made once to count, use our own kernels if that repays
    loading them."""
    return own_operations(multiplies("auto", steps=calls, cost=cost(call)))


def compiled(move: Move, example: tuple[State, Tensor, Tensor | None, Rows]) -> Move:
    """The move as machine code for arguments of the shapes of `example`; itself, if that fails."""
    try:
        return _compiled(move, *example)
    except Exception as error:
        # whatever a compiler can fail with: the run can go on without it
        log.warning("%s: the steps run uncompiled", uncompiled(error))
        return move


def _compiled(move: Move, state: State, noise: Tensor, picked: Tensor | None, rows: Rows) -> Move:
    # Imported here: they take three seconds, and most runs are too short to be compiled.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch import _inductor
        from torch._inductor import config
        from torch.fx.experimental.proxy_tensor import make_fx
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it misses CUDA

    kind, fields, names = type(state), len(state), list(rows)
    numbers: list[int | None] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        before, noise, *rest = kind(*tensors[:fields]), *tensors[fields:]
        chosen = None if picked is None else rest.pop(0)
        after, info = move(before, noise, chosen, dict(zip(names, rest, strict=True)))
        results = list(after)
        numbers.clear()
        for value in info:
            numbers.append(None if value is None else len(results))
            results += [] if value is None else [value]
        return results

    def leaves(state: State, noise: Tensor, picked: Tensor | None, rows: Rows) -> list[Tensor]:
        chosen = [] if picked is None else [picked]
        return [*(t.contiguous() for t in state), noise, *chosen, *rows.values()]

    given = leaves(state, noise, picked, {name: t.contiguous() for name, t in rows.items()})
    with torch.no_grad(), warnings.catch_warnings(), config.patch(compile_threads=1):
        warnings.simplefilter("ignore")
        graph = make_fx(flat, rewritten())(*given)
        run: Callable[..., Any] = _inductor.compile(graph, list[Any](given))
        run(*given)  # what cannot run has not been compiled

    def call(state: State, noise: Tensor, picked: Tensor | None, rows: Rows) -> tuple[State, Info]:
        results = run(*leaves(state, noise, picked, rows))
        info: list[Any] = [None if number is None else results[number] for number in numbers]
        return kind(*results[:fields]), Info(*info)

    return call

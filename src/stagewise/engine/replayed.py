"""Functions that are called again and again, by tapes."""

import logging
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from stagewise.engine.own_operations import small_operations
from stagewise.engine.tape import Inputs, Tape

log = logging.getLogger("stagewise")

Function = Callable[[Any, Inputs], Sequence[Tensor]]
"""Of something that tells one kind of call from another, and of tensors."""
SEVERAL = 4
"""Tapes that are kept: a function with ever other shapes is called."""


class Replayed:
    """A function of tensors, from its third call on as a tape, if that gives the same numbers.

    The first call may be the only one. At the second it is recorded on other numbers, and the tape
    made from that has to give, to the last bit, what the function gives: with our kernel for small
    matrices if it can, else with torch's.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._called: set[object] = set()
        self._tapes: dict[object, Tape | None] = {}

    def __call__(self, kind: Hashable, inputs: Inputs) -> Sequence[Tensor]:
        """Results may be overwritten by the next call."""
        key = kind, tuple((name, t.shape, t.dtype) for name, t in inputs.items())
        if _get_current_dispatch_mode() is not None:  # somebody else is looking
            return self._function(kind, inputs)
        tape = self._tapes.get(key)
        if tape is not None:
            return tape(inputs)
        found = self._function(kind, inputs)
        if key in self._called and key not in self._tapes and len(self._tapes) < SEVERAL:
            self._tapes[key] = self._checked(kind, inputs, found)
        self._called.add(key)
        return found

    def _checked(self, kind: Any, inputs: Inputs, found: Sequence[Tensor]) -> Tape | None:
        for context in (small_operations, nullcontext):
            try:
                others = {name: t.roll(1, 0) if t.dim() else t for name, t in inputs.items()}
                with context():
                    tape = Tape(partial(self._function, kind), others)
                same = all(torch.equal(a, b) for a, b in zip(tape(inputs), found, strict=True))
            except Exception as error:
                # whatever recording can fail with: the function itself has just been called
                log.debug("not recorded: %s", error)
                return None
            if same:
                return tape
        log.info("operations run one by one: recorded ones give other numbers")
        return None

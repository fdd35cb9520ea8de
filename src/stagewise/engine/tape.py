"""A function of tensors, recorded once and then run again without autograd and dispatch.

Of a small model's gradient, finding out what to do next takes as long as doing it: what autograd
builds and takes down, the views of tensors, and the memory they ask for. All that is the same at
every step, so the tape keeps the calls that write numbers, bound to memory of its own.
"""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from stagewise.engine.machine_code import reported

log = logging.getLogger("stagewise")

Inputs = Mapping[str, Tensor]
Function = Callable[[Any, Inputs], Sequence[Tensor]]
"""Of something that tells one kind of call from another, and of tensors."""

MOST = 1 << 26
"""Bytes of intermediate results above which what is saved is next to nothing."""
EMPTY = ("aten::empty", "aten::new_empty")
UNSTEADY = (torch.Tag.nondeterministic_seeded, torch.Tag.data_dependent_output)


class UnrecordableError(RuntimeError):
    """The function does something that a tape cannot repeat."""


class _Call(NamedTuple):
    function: Any
    args: Any
    kwargs: Mapping[str, Any]
    result: Any


class _Recorder(TorchDispatchMode):
    """Keeps the operations, and the calls of our own kernels, in their order."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to be skipped by it, the first call would import it, which takes three seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    def kernel(self, function: Any, tensors: Sequence[Tensor], rest: Sequence[Any]) -> None:
        self.calls.append(_Call(function, (tuple(tensors), tuple(rest)), {}, None))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = len(self.calls)
        result = func(*args, **(kwargs or {}))
        known = {_storage(t) for t in _tensors((args, kwargs, result))}
        inner = self.calls[before:]
        if inner and all(_storage(t) in known for call in inner for t in call.args[0]):
            # our own kernels have done it, on these tensors alone
            empty = torch.ops.aten.empty.memory_format
            self.calls[before:] = [_Call(empty, (), {}, result), *inner]
        else:
            self.calls[before:] = [_Call(func, args, kwargs or {}, result)]
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class Tape:
    """The calls that a function has made, to be made again on other numbers."""

    def __init__(self, function: Callable[[Inputs], Sequence[Tensor]], inputs: Inputs) -> None:
        """Calls it once; UnrecordableError if it cannot be repeated so."""
        self._inputs = {name: tensor.detach().clone() for name, tensor in inputs.items()}
        self._seen: dict[str, tuple[Tensor, int]] = {}
        with _Recorder() as recorder, reported(recorder.kernel):
            results = function(self._inputs)
        # kept, as calls of our own kernels know nothing but addresses
        self._memory = _Memory(recorder.calls, results)
        self._steps = [step for call in recorder.calls for step in _steps(call, self._memory)]
        self._results = [self._memory.place(result.detach()) for result in results]

    def __call__(self, inputs: Inputs) -> list[Tensor]:
        """The results on other inputs, in memory that the next call overwrites."""
        with torch.no_grad():
            for name, tensor in inputs.items():
                seen = self._seen.get(name)
                if seen is None or seen[0] is not tensor or seen[1] != tensor._version:
                    self._inputs[name].copy_(tensor)
                    self._seen[name] = (tensor, tensor._version)
            for step in self._steps:
                step()
        return self._results


class _Memory:
    """Where the tape keeps what is made on the way: memory is used again as soon as it can be."""

    def __init__(self, calls: Sequence[_Call], results: Sequence[Tensor]) -> None:
        made: dict[int, int] = {}
        sizes: dict[int, int] = {}
        last: dict[int, int] = {}
        seen: set[int] = set()
        for number, call in enumerate(calls):
            used = [_storage(t) for t in _tensors((call.args, call.kwargs))]
            for tensor in _tensors(call.result):
                key = _storage(tensor)
                if key not in seen and key not in used:
                    made[key], sizes[key] = number, tensor.untyped_storage().nbytes()
                used.append(key)
            seen.update(used)
            last |= dict.fromkeys(used, number)
        last |= {_storage(result): len(calls) for result in results}
        ends: dict[int, list[int]] = {}
        begins: dict[int, list[int]] = {}
        for key, number in made.items():
            begins.setdefault(number, []).append(key)
            ends.setdefault(last[key], []).append(key)
        self._kept: dict[int, torch.UntypedStorage] = {}
        self._given: list[Tensor] = []
        free: dict[int, list[torch.UntypedStorage]] = {}
        self.bytes = 0
        for number in range(len(calls)):
            for key in begins.get(number, ()):
                if not free.get(sizes[key]):
                    self.bytes += sizes[key]
                    fresh = torch.empty(sizes[key], dtype=torch.uint8).untyped_storage()
                    free.setdefault(sizes[key], []).append(fresh)
                self._kept[key] = free[sizes[key]].pop()
            for key in ends.get(number, ()):
                free.setdefault(sizes[key], []).append(self._kept[key])
            if self.bytes > MOST:
                raise UnrecordableError("its intermediate results are large")

    def place(self, tensor: Tensor) -> Tensor:
        """The tensor of the tape that stands for a recorded one."""
        kept = self._kept.get(_storage(tensor))
        if kept is None:
            self._given.append(tensor.detach())
            return self._given[-1]
        empty = torch.empty(0, dtype=tensor.dtype)
        return empty.set_(kept, tensor.storage_offset(), tensor.shape, tensor.stride())


def _steps(call: _Call, memory: _Memory) -> list[Callable[[], object]]:
    """What is left to do of a call; nothing of views."""
    function = call.function
    args, kwargs = tree_map_only(Tensor, memory.place, (call.args, dict(call.kwargs)))
    if not isinstance(function, torch._ops.OpOverload):
        tensors, rest = args
        return [partial(function, *(t.data_ptr() for t in tensors), *rest)]
    if any(tag in function.tags for tag in UNSTEADY):
        raise UnrecordableError(f"{function} is not the same again")
    results = _tensors(call.result)
    if function._schema.name.startswith(EMPTY):
        return []
    if function._schema.is_mutable:
        return [partial(function, *args, **kwargs)]
    given = {_storage(t) for t in _tensors((call.args, call.kwargs))}
    if all(_storage(t) in given for t in results):
        return []
    out = [memory.place(t) for t in results]
    variant = _into(function)
    if variant is not None and len(variant[1]) == len(out):
        return [partial(variant[0], *args, **kwargs, **dict(zip(variant[1], out, strict=True)))]

    def copied() -> None:
        for to, tensor in zip(out, _tensors(function(*args, **kwargs)), strict=True):
            to.copy_(tensor)

    return [copied]


def _into(function: Any) -> tuple[Any, list[str]] | None:
    """The same operation with results written to tensors that are given, and their names."""
    wanted = [(a.name, str(a.type)) for a in function._schema.arguments]
    packet = function.overloadpacket
    for name in packet.overloads():
        found = getattr(packet, name)
        arguments = found._schema.arguments
        names = [a.name for a in arguments if a.is_out]
        if names and [(a.name, str(a.type)) for a in arguments if not a.is_out] == wanted:
            return found, names
    return None


class Replayed:
    """A function of tensors, from its fourth call on as a tape, if that gives the same numbers.

    The first call may be the only one; the second is recorded, and the third made both ways.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._tapes: dict[object, int | Tape | None] = {}

    def __call__(self, kind: Hashable, inputs: Inputs) -> Sequence[Tensor]:
        """Results may be overwritten by the next call."""
        key = kind, tuple((name, t.shape, t.dtype) for name, t in inputs.items())
        known = self._tapes.setdefault(key, 0)
        if isinstance(known, Tape):
            return known(inputs)
        found = self._function(kind, inputs)
        if known == 0:
            self._tapes[key] = 1
        elif known == 1:
            self._tapes[key] = self._checked(kind, inputs, found)
        return found

    def _checked(self, kind: Any, inputs: Inputs, found: Sequence[Tensor]) -> Tape | None:
        try:
            others = {name: t.roll(1, 0) if t.dim() else t for name, t in inputs.items()}
            tape = Tape(partial(self._function, kind), others)
        except UnrecordableError as error:
            log.debug("not recorded: %s", error)
            return None
        same = all(torch.equal(a, b) for a, b in zip(tape(inputs), found, strict=True))
        if not same:
            log.info("operations run one by one: recorded ones give other numbers")
        return tape if same else None

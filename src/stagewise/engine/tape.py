"""A function of tensors, recorded once and then run again without autograd and dispatch.

Of a small model's gradient, finding out what to do next takes as long as doing it: what autograd
builds and takes down, the views of tensors, and the memory they ask for. All that is the same at
every step, so the tape keeps the calls that write numbers, bound to memory of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from stagewise.engine.machine_code import reported
from stagewise.engine.recorder import Call, Recorder, Seen, UnrecordableError, leaves
from stagewise.engine.scattered import added_in_place

Inputs = Mapping[str, Tensor]

MOST = 1 << 28
"""Bytes of inputs, which are copied, and of results, all of which are kept while recording, above
which little is saved."""
EMPTY = ("aten::empty", "aten::new_empty")


class Tape:
    """The calls that a function has made, to be made again on other numbers."""

    def __init__(self, function: Callable[[Inputs], Sequence[Tensor]], inputs: Inputs) -> None:
        """Calls it once; UnrecordableError if it cannot be repeated so."""
        if sum(tensor.nbytes for tensor in inputs.values()) > MOST:
            raise UnrecordableError("it reads much")
        self._inputs = {name: tensor.detach().clone() for name, tensor in inputs.items()}
        with Recorder(MOST) as recorder, reported(recorder.kernel):
            results = function(self._inputs)
        # kept, as calls of our own kernels know nothing but addresses
        seen = [Seen.of(result.detach()) for result in results]
        calls, found = added_in_place(recorder.calls, seen)
        self._memory = _Memory(calls, found)
        self._steps = [step for call in calls for step in _steps(call, self._memory)]
        self._results = [self._memory.place(result) for result in found]

    @property
    def bytes(self) -> int:
        """What its intermediate results take."""
        return self._memory.bytes

    def __call__(self, inputs: Inputs) -> list[Tensor]:
        """The results on other inputs, in memory that the next call overwrites."""
        with torch.no_grad():
            for name, tensor in inputs.items():
                self._inputs[name].copy_(tensor)
            for step in self._steps:
                step()
        return self._results


class _Memory:
    """Where the tape keeps what is made on the way: memory is used again as soon as it can be."""

    def __init__(self, calls: Sequence[Call], results: Sequence[Seen]) -> None:
        made: dict[int, int] = {}
        sizes: dict[int, tuple[int, torch.device]] = {}
        last: dict[int, int] = {}
        seen: set[int] = set()
        for number, call in enumerate(calls):
            used = [one.storage for one in leaves((call.args, call.kwargs), Seen)]
            for one in leaves(call.result, Seen):
                key = one.storage
                if key not in seen and key not in used:
                    made[key] = number
                    sizes[key] = one.tensor.untyped_storage().nbytes(), one.tensor.device
                used.append(key)
            seen.update(used)
            last |= dict.fromkeys(used, number)
        last |= {result.storage: len(calls) for result in results}
        ends: dict[int, list[int]] = {}
        begins: dict[int, list[int]] = {}
        for key, number in made.items():
            begins.setdefault(number, []).append(key)
            ends.setdefault(last[key], []).append(key)
        self._kept: dict[int, torch.UntypedStorage] = {}
        self._given: list[Tensor] = []
        free: dict[tuple[int, torch.device], list[torch.UntypedStorage]] = {}
        self.bytes = 0
        for number in range(len(calls)):
            for key in begins.get(number, ()):
                if not free.get(sizes[key]):
                    size, device = sizes[key]
                    self.bytes += size
                    fresh = torch.empty(size, dtype=torch.uint8, device=device)
                    free.setdefault(sizes[key], []).append(fresh.untyped_storage())
                self._kept[key] = free[sizes[key]].pop()
            for key in ends.get(number, ()):
                free.setdefault(sizes[key], []).append(self._kept[key])

    def place(self, seen: Seen) -> Tensor:
        """The tensor of the tape that stands for a recorded one."""
        kept = self._kept.get(seen.storage)
        if kept is None:
            self._given.append(seen.tensor)
            kept = seen.tensor.untyped_storage()
        empty = torch.empty(0, dtype=seen.tensor.dtype, device=seen.tensor.device)
        return empty.set_(kept, seen.offset, seen.shape, seen.stride)


def _steps(call: Call, memory: _Memory) -> list[Callable[[], object]]:
    """What is left to do of a call; nothing of views."""
    function = call.function
    args, kwargs = tree_map_only(Seen, memory.place, (call.args, dict(call.kwargs)))
    if not isinstance(function, torch._ops.OpOverload):
        tensors, rest = args
        return [partial(function, *(t.data_ptr() for t in tensors), *rest)]
    if function._schema.name.startswith(EMPTY) or torch.Tag.inplace_view in function.tags:
        return []
    if function._schema.is_mutable:
        return [partial(function, *args, **kwargs)]
    results = leaves(call.result, Seen)
    given = {seen.storage for seen in leaves((call.args, call.kwargs), Seen)}
    if all(seen.storage in given for seen in results):
        return []
    out = [memory.place(seen) for seen in results]
    variant = None if call.whole else _into(function)
    if variant is not None and len(variant.results) == len(out):
        named = {name: value for name, value in kwargs.items() if name in variant.arguments}
        named |= dict(zip(variant.results, out, strict=True))
        return [partial(variant.function, *args, **named)]

    def copied() -> None:
        for to, tensor in zip(out, leaves(function(*args, **kwargs), Tensor), strict=True):
            to.copy_(tensor)

    return [copied]


class _Into(NamedTuple):
    """An operation that writes to tensors it is given."""

    function: Any
    arguments: list[str]
    results: list[str]
    """Names of the tensors."""


TOLD = {"dtype", "layout", "device", "pin_memory"}
"""Arguments that say what the result is to be: the tensor to write to says so, too."""


def _into(function: Any) -> _Into | None:
    """The same operation with results written to tensors that are given."""
    wanted = [(a.name, str(a.type)) for a in function._schema.arguments]
    fewer = [argument for argument in wanted if argument[0] not in TOLD]
    packet = function.overloadpacket
    for arguments in (wanted, fewer):
        for name in packet.overloads():
            found = getattr(packet, name)
            of = found._schema.arguments
            results = [a.name for a in of if a.is_out]
            if results and [(a.name, str(a.type)) for a in of if not a.is_out] == arguments:
                return _Into(found, [name for name, _ in arguments], results)
    return None

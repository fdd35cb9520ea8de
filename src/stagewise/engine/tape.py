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
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode
from torch.utils._pytree import tree_leaves, tree_map_only

from stagewise.engine.machine_code import reported

log = logging.getLogger("stagewise")

Inputs = Mapping[str, Tensor]
Function = Callable[[Any, Inputs], Sequence[Tensor]]
"""Of something that tells one kind of call from another, and of tensors."""

MOST = 1 << 26
"""Bytes of inputs, which are copied, and of results, all of which are kept while recording, above
which little is saved."""
EMPTY = ("aten::empty", "aten::new_empty")
PARTLY = (torch.ops.aten.addmm.default,)
"""Operations of which our own kernels do a part."""
UNSTEADY = (
    torch.Tag.nondeterministic_seeded,
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
)
"""Marks of operations that the same tensors do not decide, or whose results decide what is next."""


class UnrecordableError(RuntimeError):
    """The function does something that a tape cannot repeat."""


class _Call(NamedTuple):
    function: Any
    """An operation of torch, or a kernel of our own."""
    args: Any
    """Of a kernel: its tensors, and the rest."""
    kwargs: Mapping[str, Any]
    result: Any
    whole: bool = False
    """To be called as it was, as it is more than one kernel."""


class _Recorder(TorchDispatchMode):
    """Keeps the operations, and the calls of our own kernels, in their order."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to be skipped by it, the first call would import it, which takes three seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self._written = 0

    def kernel(self, function: Any, tensors: Sequence[Tensor], rest: Sequence[Any]) -> None:
        self.calls.append(_Call(function, (tuple(tensors), tuple(rest)), {}, None))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = len(self.calls)
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self._written += sum(t.untyped_storage().nbytes() for t in _tensors(result))
        if self._written > MOST:
            raise UnrecordableError("it writes much")
        known = {_storage(t) for t in _tensors((args, kwargs, result))}
        inner = self.calls[before:]
        alone = func not in PARTLY and all(
            _storage(t) in known for call in inner for t in call.args[0]
        )
        if inner and alone:  # our own kernels have done it, on these tensors
            empty = torch.ops.aten.empty.memory_format
            self.calls[before:] = [_Call(empty, (), {}, result), *inner]
        elif _unsteady(func, args):
            raise UnrecordableError(f"{func} may not be the same again")
        else:
            self.calls[before:] = [_Call(func, args, kwargs or {}, result, bool(inner))]
        return result


def _unsteady(func: Any, args: Any) -> bool:
    if func is torch.ops.aten.index.Tensor:  # by numbers, or by masks: how many are picked?
        return any(t.dtype in (torch.bool, torch.uint8) for t in _tensors(args[1]))
    return any(tag in func.tags for tag in UNSTEADY)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class Tape:
    """The calls that a function has made, to be made again on other numbers."""

    def __init__(self, function: Callable[[Inputs], Sequence[Tensor]], inputs: Inputs) -> None:
        """Calls it once; UnrecordableError if it cannot be repeated so."""
        if sum(tensor.nbytes for tensor in inputs.values()) > MOST:
            raise UnrecordableError("it reads much")
        self._inputs = {name: tensor.detach().clone() for name, tensor in inputs.items()}
        with _Recorder() as recorder, reported(recorder.kernel):
            results = function(self._inputs)
        # kept, as calls of our own kernels know nothing but addresses
        self._memory = _Memory(recorder.calls, results)
        self._steps = [step for call in recorder.calls for step in _steps(call, self._memory)]
        self._results = [self._memory.place(result.detach()) for result in results]

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

    def __init__(self, calls: Sequence[_Call], results: Sequence[Tensor]) -> None:
        made: dict[int, int] = {}
        sizes: dict[int, tuple[int, torch.device]] = {}
        last: dict[int, int] = {}
        seen: set[int] = set()
        for number, call in enumerate(calls):
            used = [_storage(t) for t in _tensors((call.args, call.kwargs))]
            for tensor in _tensors(call.result):
                key = _storage(tensor)
                if key not in seen and key not in used:
                    made[key] = number
                    sizes[key] = tensor.untyped_storage().nbytes(), tensor.device
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

    def place(self, tensor: Tensor) -> Tensor:
        """The tensor of the tape that stands for a recorded one."""
        kept = self._kept.get(_storage(tensor))
        if kept is None:
            self._given.append(tensor.detach())
            return self._given[-1]
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        return empty.set_(kept, tensor.storage_offset(), tensor.shape, tensor.stride())


def _steps(call: _Call, memory: _Memory) -> list[Callable[[], object]]:
    """What is left to do of a call; nothing of views."""
    function = call.function
    args, kwargs = tree_map_only(Tensor, memory.place, (call.args, dict(call.kwargs)))
    if not isinstance(function, torch._ops.OpOverload):
        tensors, rest = args
        return [partial(function, *(t.data_ptr() for t in tensors), *rest)]
    results = _tensors(call.result)
    if function._schema.name.startswith(EMPTY):
        return []
    if function._schema.is_mutable:
        return [partial(function, *args, **kwargs)]
    given = {_storage(t) for t in _tensors((call.args, call.kwargs))}
    if all(_storage(t) in given for t in results):
        return []
    out = [memory.place(t) for t in results]
    variant = None if call.whole else _into(function)
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
        if _get_current_dispatch_mode() is not None:  # somebody else is looking
            return self._function(kind, inputs)
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
        except Exception as error:
            # whatever recording can fail with: the function itself has just been called
            log.debug("not recorded: %s", error)
            return None
        same = all(torch.equal(a, b) for a, b in zip(tape(inputs), found, strict=True))
        if not same:
            log.info("operations run one by one: recorded ones give other numbers")
        return tape if same else None

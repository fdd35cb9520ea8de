"""What a function of tensors does: the operations of torch and the calls of our own kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from stagewise.engine.own_operations import PARTLY

UNSTEADY = (
    torch.Tag.nondeterministic_seeded,
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
)
"""Marks of operations that the same tensors do not decide, or whose results decide what is next."""


class UnrecordableError(RuntimeError):
    """The function does something that a tape cannot repeat."""


@dataclass(frozen=True)
class Seen:
    """A tensor as it was when a call saw it: operations in place may change even its shape."""

    tensor: Tensor
    storage: int
    offset: int
    shape: torch.Size
    stride: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> "Seen":
        """As it is now."""
        offset = int(tensor.storage_offset())
        return cls(tensor, _storage(tensor), offset, tensor.shape, tensor.stride())


class Call(NamedTuple):
    function: Any
    """An operation of torch, or a kernel of our own."""
    args: Any
    """With `Seen` for tensors. Of a kernel: its tensors, and the rest."""
    kwargs: Mapping[str, Any]
    result: Any
    whole: bool = False
    """To be called as it was, as it is more than one kernel."""


class Recorder(TorchDispatchMode):
    """Keeps the operations, and the calls of our own kernels, in their order."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to be skipped by it, the first call would import it, which takes three seconds."""
        return False

    def __init__(self, most: int) -> None:
        """UnrecordableError comes from what has written more than `most` bytes."""
        super().__init__()
        self.calls: list[Call] = []
        self._most, self._written = most, 0

    def kernel(self, function: Any, tensors: Sequence[Tensor], rest: Sequence[Any]) -> None:
        """Is told of a kernel's call."""
        seen = tuple(Seen.of(tensor) for tensor in tensors)
        self.calls.append(Call(function, (seen, tuple(rest)), {}, None))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = len(self.calls)
        given = _seen(args), _seen(kwargs or {})
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self._written += sum(t.untyped_storage().nbytes() for t in leaves(result, Tensor))
        if self._written > self._most:
            raise UnrecordableError("it writes much")
        found, inner = _seen(result), self.calls[before:]
        known = {seen.storage for seen in leaves((given, found), Seen)}
        alone = func not in PARTLY and all(
            seen.storage in known for call in inner for seen in call.args[0]
        )
        if inner and alone:  # our own kernels have done it, on these tensors
            empty = torch.ops.aten.empty.memory_format
            self.calls[before:] = [Call(empty, (), {}, found), *inner]
        elif _unsteady(func, args):
            raise UnrecordableError(f"{func} may not be the same again")
        else:
            self.calls[before:] = [Call(func, given[0], given[1], found, bool(inner))]
        return result


def _seen(tree: Any) -> Any:
    return tree_map_only(Tensor, Seen.of, tree)


def _unsteady(func: Any, args: Any) -> bool:
    if func is torch.ops.aten.index.Tensor:  # by numbers, or by masks: how many are picked?
        return any(t.dtype in (torch.bool, torch.uint8) for t in leaves(args[1], Tensor))
    return any(tag in func.tags for tag in UNSTEADY)


def leaves(tree: Any, kind: type[Any]) -> list[Any]:
    """Those of that kind."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, kind)]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)

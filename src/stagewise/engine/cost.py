"""What one call costs, counted instead of timed: the same number on every machine and day."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stagewise.engine.own_operations import KERNELS

CACHE = 8 << 20
"""Bytes that operations may write, counted before compiling merges them, which leaves a quarter or
so, and still find in the cache beside one or two cores of today's processors."""


@dataclass(frozen=True)
class Cost:
    """Tensor operations of one call, and what they write."""

    operations: int
    written: int
    """Bytes of all results, as if none were freed: a bound on the memory the call takes."""
    ours: int = 0
    """Of these, bytes of operations that we have kernels of our own for."""

    def times(self, count: int) -> "Cost":
        """Of so many calls as one."""
        return Cost(self.operations, self.written * count, self.ours * count)


class _Counter(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: to be skipped by it, the first call would import it, which takes three seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.written = self.ours = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations += 1
        if not func.is_view:
            written = sum(
                leaf.numel() * leaf.element_size()
                for leaf in tree_leaves(result)
                if isinstance(leaf, torch.Tensor)
            )
            self.written += written
            self.ours += written if func in KERNELS else 0
        return result


def cost(call: Callable[[], object]) -> Cost:
    """Calls it once, and counts."""
    with _Counter() as counter:
        call()
    return Cost(counter.operations, counter.written, counter.ours)

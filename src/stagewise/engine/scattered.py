"""Gradients of numbers picked from a tensor, added where the gradient of all of it already stands.

Of losses logsumexp(z) - z[target], autograd writes the second gradient to zeros as many as z has
numbers, and the sum of both to a third such tensor.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_map_only

from stagewise.engine.recorder import Call, Seen, leaves

ATEN = torch.ops.aten


class _Sum(NamedTuple):
    """x + zeros.scatter_add(dim, index, source), by the places of its three calls."""

    zeros: int
    scatter: int
    add: int
    whole: Seen
    """x"""


def added_in_place(calls: Sequence[Call], results: Sequence[Seen]) -> tuple[list[Call], list[Seen]]:
    """The same calls and results, with such sums as `x.scatter_add_(dim, index, source)`.

    Only where nothing else needs x, and the index has one entry along the dimension: then no number
    is added to twice, and all sums are the same.
    """
    for number in range(len(calls)):
        found = _sum(calls, number, results)
        if found is not None:
            return added_in_place(*_shortened(calls, results, found))
    return list(calls), list(results)


def _sum(calls: Sequence[Call], add: int, results: Sequence[Seen]) -> _Sum | None:
    function, args, kwargs, result, _ = calls[add]
    if function is not ATEN.add.Tensor or kwargs or len(leaves(args, Seen)) != 2:
        return None
    for whole, picked in (args, args[::-1]):
        scatter = _made(calls[:add], picked, ATEN.scatter_add.default)
        if scatter is None:
            continue
        to, along, index, source = calls[scatter].args
        zeros = _made(calls[:scatter], to, ATEN.new_zeros.default)
        if (
            zeros is not None
            and _layout(whole) == _layout(result)
            and index.shape[along] == 1
            and _made(calls[:add], whole, None) is not None
            and not _needed(whole, calls[add + 1 :], results)
            and not _needed(to, [*calls[zeros + 1 : scatter], *calls[scatter + 1 :]], results)
            and not _needed(picked, [*calls[scatter + 1 : add], *calls[add + 1 :]], results)
            and not any(_needed(one, calls[scatter + 1 : add], []) for one in (index, source))
        ):
            return _Sum(zeros, scatter, add, whole)
    return None


def _made(calls: Sequence[Call], seen: Seen, function: Any) -> int | None:
    """Where, by that function if one is named, the memory has been made."""
    for place, call in enumerate(calls):
        if _needed(seen, [call], []):
            given = {one.storage for one in leaves((call.args, call.kwargs), Seen)}
            here = seen.storage not in given and function in (None, call.function)
            return place if here else None
    return None


def _needed(seen: Seen, calls: Sequence[Call], results: Sequence[Seen]) -> bool:
    used = [one for call in calls for one in leaves((call.args, call.kwargs, call.result), Seen)]
    return seen.storage in {one.storage for one in (*used, *results)}


def _layout(seen: Seen) -> tuple[Any, ...]:
    return seen.offset, seen.shape, seen.stride


def _shortened(
    calls: Sequence[Call], results: Sequence[Seen], found: _Sum
) -> tuple[list[Call], list[Seen]]:
    """The result of the sum stands where x stood."""
    gone, here = calls[found.add].result.storage, found.whole.storage

    def moved(tree: Any) -> Any:
        return tree_map_only(
            Seen, lambda seen: replace(seen, storage=here) if seen.storage == gone else seen, tree
        )

    before = [calls[n] for n in range(found.add) if n not in (found.zeros, found.scatter)]
    args = (found.whole, *calls[found.scatter].args[1:])
    together = Call(ATEN.scatter_add_.default, args, {}, found.whole)
    after = [
        call._replace(args=moved(call.args), kwargs=moved(call.kwargs), result=moved(call.result))
        for call in calls[found.add + 1 :]
    ]
    return [*before, together, *after], [moved(seen) for seen in results]

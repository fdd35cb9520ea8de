"""Chains shared by several jobs, and their draws as one."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.diagnostics import diagnose
from stagewise.engine.draws import is_trace
from stagewise.engine.locality import locality
from stagewise.engine.sample import diagnosed

Scratch = Callable[[str, tuple[int, ...]], NDArray[np.float32]]
"""Name and shape -> an array for what is too large for memory (`SideFile.scratch`)."""


def chains_of(shard: int, shards: int, chains: int) -> range:
    """Numbers of the chains of one of `shards` jobs, counted from 0: consecutive, as many as the
    others have or one more."""
    return range(chains * shard // shards, chains * (shard + 1) // shards)


def gather(parts: Sequence[xr.Dataset], chains: int, scratch: Scratch) -> xr.Dataset:
    """The draws of all `chains`, from those of the jobs that shared them, in order.

    They are what one job gives: a chain's draws do not depend on what is sampled beside it. The
    diagnostics are taken anew, of all chains. Traces of observables go through `scratch`, so
    memory does not grow with them. ValueError where parts are not of one sampling: chains missing
    or twice, or different in what does not depend on the chain.
    """
    numbers = np.concatenate([part.chain.values for part in parts])
    if not np.array_equal(numbers, np.arange(chains)):
        raise ValueError(
            f"shards: they hold the chains {numbers.tolist()}, expected 0 to {chains - 1} in order"
        )
    of_all = {*diagnose(parts[0].excess_loss), *locality(parts[0])}
    first = parts[0]
    found: dict[Hashable, xr.Variable] = {}
    for name, variable in first.data_vars.items():
        if name in of_all:
            continue
        if "chain" not in variable.dims:
            for part in parts[1:]:
                if not part[name].identical(variable):
                    raise ValueError(f"shards: {name} differs: they are not of one sampling")
            found[name] = variable.variable
        elif is_trace(variable):
            found[name] = _joined([part[name] for part in parts], str(name), scratch)
        else:
            found[name] = xr.Variable.concat([part[name].variable for part in parts], "chain")
    coordinates = {name: at for name, at in first.coords.items() if name != "chain"}
    return diagnosed(xr.Dataset(found, coords={**coordinates, "chain": numbers}))


def _joined(pieces: Sequence[xr.DataArray], name: str, scratch: Scratch) -> xr.Variable:
    """The pieces, read from their files one after another, as one variable on disk."""
    dims = pieces[0].dims
    axis = dims.index("chain")
    chains = sum(piece.sizes["chain"] for piece in pieces)
    shape = (*pieces[0].shape[:axis], chains, *pieces[0].shape[axis + 1 :])
    whole, start = scratch(name, shape), 0
    for piece in pieces:
        stop = start + piece.sizes["chain"]
        place: list[Any] = [slice(None)] * len(shape)
        place[axis] = slice(start, stop)
        whole[tuple(place)] = piece.values
        start = stop
    return xr.Variable(dims, whole)

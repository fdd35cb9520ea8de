"""Draws from the local posterior of every checkpoint, as one batched program."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.chains import Chains
from stagewise.engine.cost import Cost
from stagewise.engine.diagnostics import diagnose
from stagewise.engine.execution import compiles
from stagewise.engine.posteriors import Posteriors, posteriors
from stagewise.engine.sampling import Sampling
from stagewise.progress import Report
from stagewise.resume import SideFile
from stagewise.samplers.target import Kernel
from stagewise.testbeds.testbed import Points, Testbed

MEMORY = 1 << 30
"""Bytes that a step of the rows stepped together may write."""


def sample(
    testbed: Testbed,
    points: Points,
    kernel: Kernel,
    sampling: Sampling,
    *,
    seed: int,
    report: Report,
    side_file: SideFile | None = None,
    memory: int = MEMORY,
) -> xr.Dataset:
    """Draws from the local posterior of every checkpoint, with diagnostics.

    Dimensions (checkpoint, n, chain, draw); variables

    excess_loss   L(w_t) - L(w*) on the same data, nats per sample
    distance      |w_t - w*|
    loss_at_centre, dimension, curvature  (checkpoint);  nbeta (n);  epsilon (checkpoint, n);
    localization  ()
    acceptance    (checkpoint, n, chain), mean after burn-in; exchange likewise, of samplers that
                  exchange between temperatures
    rhat, ess_bulk, ess_tail, drift  (checkpoint, n), of excess_loss
    parameters    (checkpoint, n, chain, draw, parameter), if asked for

    Where the settings list several step sizes, all that has the dimension n has a further one
    after it, step_size, with the sizes in their unit as coordinate; but nbeta has not.

    The columns of the index are coordinates of `checkpoint`. A chain's draws depend on its
    checkpoint's place in `points`, the value of its n, its number and the seed only, whatever is
    sampled beside it. Raises DivergedChainError for a chain that becomes non-finite.
    """
    torch.set_flush_denormal(True)  # running means of vanishing gradients are four times as fast
    places = points.places(sampling.checkpoints)
    chosen = points.at(places)
    if sampling.truth == "own":
        chosen = testbed.with_own_truth(chosen)
    found = posteriors(testbed, chosen, kernel, sampling, seed=seed)
    grid = torch.cartesian_prod(*map(torch.arange, (*found.epsilon.shape, sampling.chains)))
    one = Chains(kernel, found, grid[:1], seed=seed, places=places).cost()
    finished, counters, tensors = _unfinished(side_file)
    size = counters.get("rows", max(1, memory // one.written))
    chunks = grid.split(size)
    chunk, step = counters.get("chunk", 0), counters.get("step", 0)
    every = Cost(one.operations, one.written * min(size, len(grid)))
    compile = compiles(sampling.execution, steps=sampling.steps, cost=every)
    for number, rows in enumerate(chunks):
        if number < chunk:
            continue
        chains = Chains(kernel, found, rows, seed=seed, places=places, compile=compile)
        if number == chunk and step > 0:
            chains.restore(tensors, step)
        while chains.step < sampling.steps:
            chains.advance()
            share = (number + chains.step / sampling.steps) / len(chunks)
            report(round(share * sampling.steps), f"{len(grid)} chains")
            if side_file and side_file.due():
                counters = {"chunk": number, "step": chains.step, "rows": size}
                side_file.save({**finished, **chains.tensors()}, counters)
        finished |= {f"finished.{number}.{name}": t for name, t in chains.recorded.items()}
    recorded = {
        name: torch.cat([finished[f"finished.{k}.{name}"] for k in range(len(chunks))], dim=-1)
        for name in chains.recorded
    }
    return _dataset(recorded, found)


def _unfinished(
    side_file: SideFile | None,
) -> tuple[dict[str, Tensor], dict[str, int], dict[str, Tensor]]:
    """Finished chunks; the chunk in flight, its step and the rows of a chunk; its tensors."""
    found = side_file.load() if side_file else None
    if found is None:
        return {}, {}, {}
    tensors, counters = found
    finished = {name: tensor for name, tensor in tensors.items() if name.startswith("finished.")}
    return finished, counters, tensors


def _dataset(recorded: dict[str, Tensor], found: Posteriors) -> xr.Dataset:
    points, sampling = found.points, found.sampling
    several = isinstance(sampling.epsilon, list)
    posterior = ("checkpoint", "n", *(["step_size"] if several else []))
    names = (*posterior, "chain")
    lead = (*found.epsilon.shape[: len(posterior)], sampling.chains)

    def grid(tensor: Tensor) -> np.ndarray[Any, Any]:
        """(..., row) -> (checkpoint, n, chain, ...)"""
        return tensor.movedim(-1, 0).reshape(*lead, *tensor.shape[:-1]).numpy()

    variables: dict[str, Any] = {
        "excess_loss": ((*names, "draw"), grid(recorded["excess_loss"])),
        "distance": ((*names, "draw"), grid(recorded["distance"])),
        "acceptance": (names, grid(recorded["acceptance"][0])),
        "nbeta": ("n", found.nbeta.numpy()),
        "localization": float(sampling.localization),
        "epsilon": (posterior, found.epsilon.reshape(lead[:-1]).numpy()),
        "curvature": ("checkpoint", found.curvature.numpy()),
        "loss_at_centre": ("checkpoint", found.loss_at_centre.numpy()),
        "dimension": ("checkpoint", found.mask.sum(1).to(torch.int64).numpy()),
    }
    if "exchange" in recorded:
        variables["exchange"] = (names, grid(recorded["exchange"][0]))
    if "parameters" in recorded:
        variables["parameters"] = ((*names, "draw", "parameter"), grid(recorded["parameters"]))
    coordinates: dict[str, Any] = {
        "checkpoint": np.arange(len(points)),
        "n": found.sizes,
        "chain": np.arange(sampling.chains),
        "draw": sampling.burn_in + sampling.thin * np.arange(sampling.draws),
    }
    if several:
        coordinates["step_size"] = sampling.steps_in_unit
    for column in map(str, points.index.columns):
        if column in coordinates or (column in variables and column != "curvature"):
            raise ValueError(f"the index column {column!r} has the name of something recorded")
        if column != "curvature":
            coordinates[column] = ("checkpoint", points.index[column].to_numpy())
    dataset = xr.Dataset(variables, coords=coordinates)
    return dataset.merge(diagnose(dataset.excess_loss))

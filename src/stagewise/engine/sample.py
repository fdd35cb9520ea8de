"""Draws from the local posterior of every checkpoint, as one batched program."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.chains import Chains, DivergedChainError
from stagewise.engine.curvature import largest_curvature
from stagewise.engine.diagnostics import diagnose
from stagewise.engine.noise import BLOCK
from stagewise.engine.program import Program, flatten
from stagewise.engine.sampling import Sampling
from stagewise.progress import Report
from stagewise.resume import SideFile
from stagewise.samplers.target import Kernel, Target
from stagewise.seeds import generator
from stagewise.testbeds.testbed import Points, Testbed

MEMORY = 1 << 30
"""Bytes that the noise, positions and gradients of the rows stepped together may take."""


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
    acceptance    (checkpoint, n, chain), mean after burn-in
    rhat, ess_bulk, ess_tail, drift  (checkpoint, n), of excess_loss
    parameters    (checkpoint, n, chain, draw, parameter), if asked for

    The columns of the index are coordinates of `checkpoint`. A chain's draws depend on its
    checkpoint's place, its n, its number and the seed only, whatever is stepped beside it.
    Raises DivergedChainError for a chain that becomes non-finite.
    """
    points = points.matching(sampling.checkpoints)
    if sampling.truth == "own":
        points = testbed.with_own_truth(points)
    shapes = {name: tuple(t.shape[1:]) for name, t in points.parameters.items()}
    centres = flatten(points.parameters, shapes)
    mask = _mask(points, shapes, centres)
    sizes = _sizes(testbed, kernel, sampling)
    nbeta = torch.tensor([sampling.nbeta(n) for n in sizes], dtype=centres.dtype)

    program = Program(testbed.losses, shapes, points.constants, rows=len(points))
    loss_at_centre = program.loss(centres, testbed.data)
    if not torch.isfinite(loss_at_centre).all():
        bad = int((~torch.isfinite(loss_at_centre)).nonzero()[0])
        raise DivergedChainError(f"the loss at checkpoint {bad} itself is not finite")
    curvature = _curvature(program, points, centres, testbed, mask, sampling, seed)
    epsilon = _epsilon(sampling, nbeta, curvature)

    grid = torch.cartesian_prod(
        torch.arange(len(points)), torch.arange(len(sizes)), torch.arange(sampling.chains)
    )
    per_row = centres.shape[1] * centres.element_size() * (BLOCK + 12)
    chunks = grid.split(max(1, memory // per_row))
    finished, chunk, step, tensors = _unfinished(side_file)
    for number, rows in enumerate(chunks):
        if number < chunk:
            continue
        target, own = _target(
            testbed, points, shapes, centres, mask, nbeta, epsilon, sampling, rows
        )
        keys = [(a, b, c) for a, b, c in rows.tolist()]
        chains = Chains(kernel, target, own, testbed.data, sampling, seed=seed, keys=keys)
        if number == chunk and step > 0:
            chains.restore(tensors, step)
        while chains.step < sampling.steps:
            chains.advance()
            share = (number + chains.step / sampling.steps) / len(chunks)
            report(round(share * sampling.steps), f"{len(grid)} chains")
            if side_file and side_file.due():
                counters = {"chunk": number, "step": chains.step}
                side_file.save({**finished, **chains.tensors()}, counters)
        for name, tensor in chains.recorded.items():
            finished[f"finished.{number}.{name}"] = tensor
    names = chains.recorded if chunk < len(chunks) else ()
    recorded = {
        name: torch.cat([finished[f"finished.{k}.{name}"] for k in range(len(chunks))], dim=-1)
        for name in names
    }
    return _dataset(recorded, points, sampling, sizes).assign(
        nbeta=("n", nbeta.numpy()),
        localization=float(sampling.localization),
        epsilon=(("checkpoint", "n"), epsilon.numpy()),
        curvature=("checkpoint", curvature.numpy()),
        loss_at_centre=("checkpoint", loss_at_centre.numpy()),
        dimension=("checkpoint", mask.sum(1).to(torch.int64).numpy()),
    )


def _unfinished(
    side_file: SideFile | None,
) -> tuple[dict[str, Tensor], int, int, dict[str, Tensor]]:
    """Finished chunks, the chunk in flight, its step, its tensors; all empty for fresh work."""
    found = side_file.load() if side_file else None
    if found is None:
        return {}, 0, 0, {}
    tensors, counters = found
    finished = {name: tensor for name, tensor in tensors.items() if name.startswith("finished.")}
    return finished, counters["chunk"], counters["step"], tensors


def _sizes(testbed: Testbed, kernel: Kernel, sampling: Sampling) -> list[float]:
    if sampling.batch is not None and testbed.samples is None:
        raise ValueError(f"batch: {testbed.name} has a population loss, without data to batch")
    if sampling.batch is not None and kernel.FULL_DATA:
        raise ValueError(f"batch: the sampler {sampling.kernel} needs all data at every step")
    if sampling.n:
        return [float(n) for n in sampling.n]
    if testbed.samples is None:
        raise ValueError(f"n: {testbed.name} has a population loss, so n must be given")
    return [float(testbed.samples)]


def _mask(points: Points, shapes: Mapping[str, tuple[int, ...]], centres: Tensor) -> Tensor:
    masks = {
        name: points.masks.get(name, torch.ones_like(tensor, dtype=torch.bool))
        for name, tensor in points.parameters.items()
    }
    for name, tensor in masks.items():
        if tensor.shape != points.parameters[name].shape:
            raise ValueError(
                f"masks.{name}: shape {tuple(tensor.shape)}, "
                f"expected {tuple(points.parameters[name].shape)}"
            )
    mask = flatten(masks, shapes).to(centres.dtype)
    if (mask.sum(1) == 0).any():
        empty = int((mask.sum(1) == 0).nonzero()[0])
        raise ValueError(f"masks: no coordinate of checkpoint {empty} is left to sample")
    return mask


def _curvature(
    program: Program,
    points: Points,
    centres: Tensor,
    testbed: Testbed,
    mask: Tensor,
    sampling: Sampling,
    seed: int,
) -> Tensor:
    """(checkpoint,) what `epsilon_unit: curvature` refers to; not a number where unused."""
    if "curvature" in points.index:
        return torch.tensor(points.index["curvature"].to_numpy(), dtype=centres.dtype)
    if sampling.epsilon_unit != "curvature":
        return torch.full((len(points),), torch.nan, dtype=centres.dtype)
    stream = generator(seed, "curvature")
    return largest_curvature(program, centres, testbed.data, mask, stream=stream)


def _epsilon(sampling: Sampling, nbeta: Tensor, curvature: Tensor) -> Tensor:
    """(checkpoint, n) step sizes; not a number for samplers without one."""
    shape = (len(curvature), len(nbeta))
    if sampling.epsilon is None:
        return torch.full(shape, torch.nan, dtype=nbeta.dtype)
    if sampling.epsilon_unit == "nbeta":
        return sampling.epsilon / (nbeta + sampling.localization).expand(shape)
    if sampling.epsilon_unit == "curvature":
        return sampling.epsilon / (curvature[:, None] * nbeta + sampling.localization)
    return torch.full(shape, sampling.epsilon, dtype=nbeta.dtype)


def _target(
    testbed: Testbed,
    points: Points,
    shapes: Mapping[str, tuple[int, ...]],
    centres: Tensor,
    mask: Tensor,
    nbeta: Tensor,
    epsilon: Tensor,
    sampling: Sampling,
    rows: Tensor,
) -> tuple[Target, Program]:
    """What the given rows (row, 3) = (checkpoint, n, chain) sample from."""
    at, size = rows[:, 0], rows[:, 1]
    constants = {name: tensor[at] for name, tensor in points.constants.items()}
    program = Program(testbed.losses, shapes, constants, rows=len(rows))
    shared = sampling.batch is None
    target = Target(
        loss_and_gradient=lambda w, batch: program.loss_and_gradient(w, batch, shared=shared),
        centre=centres[at],
        nbeta=nbeta[size][:, None],
        localization=torch.full((len(at), 1), float(sampling.localization), dtype=centres.dtype),
        epsilon=epsilon[at, size][:, None],
        mask=mask[at],
        shapes=shapes,
        constants=constants,
        options=sampling.options,
    )
    return target, program


def _dataset(
    recorded: Mapping[str, Tensor], points: Points, sampling: Sampling, sizes: list[float]
) -> xr.Dataset:
    lead = (len(points), len(sizes), sampling.chains)
    names = ("checkpoint", "n", "chain")

    def grid(tensor: Tensor) -> np.ndarray[Any, Any]:
        """(..., row) -> (checkpoint, n, chain, ...)"""
        return tensor.movedim(-1, 0).reshape(*lead, *tensor.shape[:-1]).numpy()

    variables: dict[str, Any] = {
        "excess_loss": ((*names, "draw"), grid(recorded["excess_loss"])),
        "distance": ((*names, "draw"), grid(recorded["distance"])),
        "acceptance": (names, grid(recorded["acceptance"][0])),
    }
    if "parameters" in recorded:
        variables["parameters"] = ((*names, "draw", "parameter"), grid(recorded["parameters"]))
    coordinates: dict[str, Any] = {
        "checkpoint": np.arange(len(points)),
        "n": sizes,
        "chain": np.arange(sampling.chains),
        "draw": sampling.burn_in + sampling.thin * np.arange(sampling.draws),
    }
    for column in points.index.columns:
        coordinates[str(column)] = ("checkpoint", points.index[column].to_numpy())
    dataset = xr.Dataset(variables, coords=coordinates)
    return dataset.merge(diagnose(dataset.excess_loss))

"""Draws from the local posterior of every checkpoint, as one batched program."""

import logging
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from stagewise.engine.centre_losses import losses_of_samples, observed_losses, reported_loss
from stagewise.engine.chains import MEMORY, Chains, TooLittleMemoryError
from stagewise.engine.dataset import dataset, observables
from stagewise.engine.diagnostics import diagnose
from stagewise.engine.execution import mode_of
from stagewise.engine.gradients import gradient_norms
from stagewise.engine.locality import locality, tether_rise
from stagewise.engine.observables import Trace, TraceRows, evaluations
from stagewise.engine.posteriors import Posteriors, posteriors
from stagewise.engine.relative import relative
from stagewise.engine.sampling import Sampling
from stagewise.engine.scrambled import scrambled
from stagewise.progress import Report
from stagewise.resume import SideFile
from stagewise.samplers.target import Kernel
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed

log = logging.getLogger("stagewise")


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
    chains: range | None = None,
) -> xr.Dataset:
    """Draws from the local posterior of every checkpoint, with diagnostics; of `chains` alone if
    they are given (`engine.shards`).

    Dimensions (checkpoint, n, chain, draw); variables

    excess_loss   L(w_t) - L(w*) on the same data, nats per sample
    distance      |w_t - w*|
    loss_at_centre, gradient_norm, dimension, curvature, tether_rise  (checkpoint);  nbeta (n)
    epsilon       (checkpoint, n);  localization  ();  coupled  (), of chains that are
    acceptance    (checkpoint, n, chain), mean after burn-in; exchange likewise, of samplers that
                  exchange between temperatures
    rhat, ess_bulk, ess_tail, drift, stationary  (checkpoint, n), of excess_loss (`diagnose`)
    loss_rise, tether_share, tether_ratio  (checkpoint, n): what held the chains (`locality`)
    parameters    (checkpoint, n, chain, draw, parameter), if asked for
    mirror_excess_loss  like excess_loss, at w* - (w_t - w*), if asked for

    and for each observable NAME, with dimensions NAME_sample and, of tokens, NAME_token,

    NAME_loss_at_centre  (checkpoint, ...), nats
    NAME_loss            (checkpoint, n, chain, NAME_draw, ...); with mirror images, a dimension
                         `image` of draw and mirror after NAME_draw
    NAME_loss_mean, NAME_loss_covariance  (checkpoint, n, chain, NAME_entry[, NAME_other]) instead,
                         of an observable kept as its covariance, entries being samples, or tokens
    NAME_loss_mean, NAME_loss_response  (checkpoint, n, chain, NAME_sample[, NAME_token]) and
    NAME_total_mean, NAME_total_variance  (checkpoint, n, chain) instead, of one kept as response

    Where the settings name components, all that has the dimension n has component before it, and
    so have gradient_norm, dimension, curvature and tether_rise; but nbeta has not. Where they list
    several step sizes, all that has n has step_size after it, with the sizes in their unit as
    coordinate; but nbeta has not.

    The columns of the index are coordinates of `checkpoint`. A chain's draws depend on its
    checkpoint's place in `points`, its component, the value of its n, its number and the seed
    only, whatever is sampled beside it. Raises DivergedChainError for a chain that becomes
    non-finite, and TooLittleMemoryError where a single chain needs more than `memory` bytes.
    """
    torch.set_flush_denormal(True)  # running means of vanishing gradients are four times as fast
    if sampling.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "device: cuda was asked for and torch finds no CUDA device here; set device: cpu, or "
            "run where there is one"
        )
    places = points.places(sampling.checkpoints)
    testbed = testbed.of(sampling.distribution).on(sampling.device)
    chosen = scrambled(points.at(places), sampling.weights, seed=seed).on(sampling.device)
    if sampling.truth == "own":
        chosen = testbed.with_own_truth(chosen)
    if sampling.coordinates == "relative":
        testbed, chosen = relative(testbed, chosen)
    found = posteriors(testbed, chosen, kernel, sampling, seed=seed, chains=chains)
    grid = found.grid
    one = Chains(kernel, found, grid[:1], seed=seed, places=places).cost()
    if one.written > memory:
        raise TooLittleMemoryError(
            f"one chain of {testbed.name} writes {one.written / 1e6:.0f} MB a step, more than the "
            f"{memory / 1e6:.0f} MB allowed: lower `batch`, or raise memory_mb of the variant"
        )
    centre_losses = observed_losses(found, memory)
    traces = _traces(found, centre_losses, side_file)
    finished, counters, tensors = _unfinished(side_file)
    size = counters.get("rows", max(1, memory // one.written))
    chunks = [(rows, moving) for group, moving in found.groups for rows in group.split(size)]
    chunk, step = counters.get("chunk", 0), counters.get("step", 0)
    mode = mode_of(
        sampling.execution,
        device=sampling.device,
        steps=sampling.steps,
        one=one,
        rows=min(size, _rows_of_all(found)),
    )
    at_centre = reported_loss(found, mode)
    table = losses_of_samples(found, memory, mode) if _repaid(found) else None
    for number, (rows, moving) in enumerate(chunks):
        if number < chunk:
            continue
        moved = Chains(
            kernel,
            found,
            grid[rows],
            seed=seed,
            places=places,
            moving=moving,
            mode=mode,
            table=table,
            traces={name: TraceRows(trace, rows.numpy()) for name, trace in traces.items()},
            memory=memory,
        )
        if number == chunk and step > 0:
            moved.restore(tensors, step)
        while moved.step < sampling.steps:
            moved.advance()
            share = (number + moved.step / sampling.steps) / len(chunks)
            report(round(share * sampling.steps), f"{len(grid)} chains")
            if side_file and side_file.due():
                counters = {"chunk": number, "step": moved.step, "rows": size}
                side_file.save({**finished, **moved.tensors()}, counters)
        whole = {**moved.recorded, **moved.moments()}
        finished |= {f"finished.{number}.{name}": tensor for name, tensor in whole.items()}
    order = torch.cat([rows for rows, _ in chunks]).argsort()
    recorded = {
        name: torch.cat([finished[f"finished.{k}.{name}"] for k in range(len(chunks))], dim=-1)[
            ..., order
        ]
        for name in whole
    }
    draws = dataset(recorded, found, at_centre)
    draws = draws.merge(observables(recorded, traces, centre_losses, found))
    rise = tether_rise(found, seed=seed, own=mode.own).reshape(draws.curvature.shape)
    draws["tether_rise"] = (draws.curvature.dims, rise.cpu().numpy())
    norms = gradient_norms(found, memory, own=mode.own).reshape(draws.curvature.shape)
    draws["gradient_norm"] = (draws.curvature.dims, norms.cpu().numpy())
    return diagnosed(draws)


def diagnosed(draws: xr.Dataset) -> xr.Dataset:
    """The draws with what is said of all their chains: `diagnose` and `locality`."""
    draws = draws.merge(diagnose(draws.excess_loss)).merge(locality(draws))
    lost = int((~draws.stationary).sum())
    if lost:
        log.warning("%d of %d posteriors: chains not stationary", lost, draws.stationary.size)
    return draws


def _repaid(found: Posteriors) -> bool:
    """Whether a checkpoint's batches have more samples than there are: then looking their losses at
    w* up in a table is cheaper than evaluating them."""
    sampling = found.sampling
    if sampling.batch is None:
        return False
    chains = _rows_of_all(found) // len(found.points)
    return chains * sampling.draws * sampling.batch > (found.testbed.samples or 0)


def _rows_of_all(found: Posteriors) -> int:
    """Chains of all shards together, by which each decides like the whole."""
    return len(found.grid) // len(found.chains) * found.sampling.chains


def _traces(
    found: Posteriors, centre_losses: Mapping[str, Tensor], side_file: SideFile | None
) -> dict[str, Trace]:
    """Observable -> where its trace goes, of those that keep one."""
    sampling = found.sampling
    traces = {}
    for name, observation in sampling.observables.items():
        if observation.keep == "trace":
            count = evaluations(observation, sampling.draws)
            shape = (len(found.grid), count, 1 + sampling.mirror, *centre_losses[name].shape[1:])
            traces[name] = (
                side_file.scratch(name, shape) if side_file else np.zeros(shape, dtype=np.float32)
            )
    return traces


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

"""What chains recorded, as one xarray dataset."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.observables import Trace, evaluations
from stagewise.engine.posteriors import Posteriors
from stagewise.engine.sampling import Sampling


def _dimensions(sampling: Sampling) -> tuple[str, ...]:
    """Of a posterior."""
    component = ["component"] if sampling.components else []
    steps = ["step_size"] if isinstance(sampling.epsilon, list) else []
    return ("checkpoint", *component, "n", *steps)


def _lead(found: Posteriors) -> tuple[int, ...]:
    """Lengths of `_dimensions`."""
    checkpoints, components, sizes, steps = found.epsilon.shape
    lengths = {"checkpoint": checkpoints, "component": components, "n": sizes, "step_size": steps}
    return tuple(lengths[name] for name in _dimensions(found.sampling))


def _by_chain(tensor: Tensor, found: Posteriors) -> NDArray[Any]:
    """(..., row) -> (posterior..., chain, ...), as a file would have it: sums of its numbers are
    then the same to the last digit, whether they are taken here or of the file."""
    lead = (*_lead(found), len(found.chains))
    shaped = tensor.movedim(-1, 0).reshape(*lead, *tensor.shape[:-1])
    whole: NDArray[Any] = shaped.contiguous().cpu().numpy()
    return whole


def dataset(
    recorded: Mapping[str, Tensor], found: Posteriors, loss_at_centre: Tensor
) -> xr.Dataset:
    """What every sampling records, from tensors (..., row) by name, and the loss at each checkpoint
    (checkpoint,); `sample` lists it."""
    points, sampling = found.points, found.sampling
    posterior = _dimensions(sampling)
    names = (*posterior, "chain")
    restricted = posterior[: posterior.index("n")]
    lead = _lead(found)

    def of_restriction(tensor: Tensor) -> tuple[tuple[str, ...], NDArray[Any]]:
        return restricted, tensor.reshape(lead[: len(restricted)]).cpu().numpy()

    def of_chains(name: str, *further: str) -> tuple[tuple[str, ...], NDArray[Any]]:
        return (*names, *further), _by_chain(recorded[name], found)

    variables: dict[str, Any] = {
        "excess_loss": of_chains("excess_loss", "draw"),
        "distance": of_chains("distance", "draw"),
        "acceptance": (names, _by_chain(recorded["acceptance"][0], found)),
        "nbeta": ("n", found.nbeta.cpu().numpy()),
        "localization": float(sampling.localization),
        "epsilon": (posterior, found.epsilon.reshape(lead).cpu().numpy()),
        "curvature": of_restriction(found.curvature),
        "loss_at_centre": ("checkpoint", loss_at_centre.cpu().numpy()),
        "dimension": of_restriction(found.mask.sum(2).to(torch.int64)),
    }
    if sampling.coupled:
        variables["coupled"] = True
    if "exchange" in recorded:
        variables["exchange"] = (names, _by_chain(recorded["exchange"][0], found))
    if "mirror_excess_loss" in recorded:
        variables["mirror_excess_loss"] = of_chains("mirror_excess_loss", "draw")
    if "parameters" in recorded:
        variables["parameters"] = of_chains("parameters", "draw", "parameter")
    coordinates: dict[str, Any] = {
        "checkpoint": np.arange(len(points)),
        "n": found.sizes,
        "chain": np.array(found.chains),
        "draw": sampling.burn_in + sampling.thin * np.arange(sampling.draws),
    }
    if sampling.components:
        coordinates["component"] = sampling.components
    if "step_size" in posterior:
        coordinates["step_size"] = sampling.steps_in_unit
    for column in map(str, points.index.columns):
        if column in coordinates or (column in variables and column != "curvature"):
            raise ValueError(f"the index column {column!r} has the name of something recorded")
        if column != "curvature":
            coordinates[column] = ("checkpoint", points.index[column].to_numpy())
    return xr.Dataset(variables, coords=coordinates)


def observables(
    recorded: Mapping[str, Tensor],
    traces: Mapping[str, Trace],
    centre_losses: Mapping[str, Tensor],
    found: Posteriors,
) -> xr.Dataset:
    """What the observables recorded, in traces or as moments (..., row); `sample` lists it."""
    sampling = found.sampling
    names = (*_dimensions(sampling), "chain")
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for name, losses in centre_losses.items():
        entries = [f"{name}_sample", f"{name}_token"][: losses.dim() - 1]
        variables[f"{name}_loss_at_centre"] = (("checkpoint", *entries), losses.cpu().numpy())
        if name in traces:
            trace = traces[name] if sampling.mirror else traces[name][:, :, 0]
            images = ["image"] if sampling.mirror else []
            dims = (*names, f"{name}_draw", *images, *entries)
            lead = (*_lead(found), len(found.chains))
            variables[f"{name}_loss"] = (dims, trace.reshape(*lead, *trace.shape[1:]))
            every = sampling.thin * sampling.observables[name].every
            count = evaluations(sampling.observables[name], sampling.draws)
            coordinates[f"{name}_draw"] = sampling.burn_in + every * np.arange(count)
            if sampling.mirror:
                coordinates["image"] = ["draw", "mirror"]
        else:
            entry, other = f"{name}_entry", f"{name}_other"
            further: dict[str, tuple[str, ...]] = (
                {"loss_mean": (entry,), "loss_covariance": (entry, other)}
                if sampling.observables[name].keep == "covariance"
                else {
                    "loss_mean": tuple(entries),
                    "loss_response": tuple(entries),
                    "total_mean": (),
                    "total_variance": (),
                }
            )
            for part, own in further.items():
                whole = _by_chain(recorded[f"{name}_{part}"], found)
                variables[f"{name}_{part}"] = ((*names, *own), whole)
    return xr.Dataset(variables, coords=coordinates)

"""Weights in units of their tensors' sizes, so that tethers and steps are relative to them.

A network with normalised layers hardly changes when one of its matrices is scaled up, but a tether
of fixed width then allows it smaller relative changes, and the estimate changes. In these units it
does not.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from stagewise.testbeds.testbed import Batch, Parameters, Points, Testbed

SIZE = "size of "
"""What the constants are called that hold the tensors' sizes."""

Losses = Callable[[Parameters, Parameters, Batch], Tensor]


def relative(testbed: Testbed, points: Points) -> tuple[Testbed, Points]:
    """The testbed and its points with every tensor in units of its size at the point.

    The size is the root mean square of the entries; of vectors and scalars (norms, biases), and of
    matrices of zeros, that of all matrices of the point. So localization gamma and step size
    epsilon are gamma / size^2 and epsilon size^2 of the weights, and |w - w*| counts relative
    changes. A model and another one that computes the same from tensors of other sizes have the
    same posterior, as far as they are matrices.
    """
    sizes = tensor_sizes(points)
    constants = {f"{SIZE}{name}": size for name, size in sizes.items()}
    weights = {
        name: tensor / sizes[name].reshape(-1, *(1,) * (tensor.dim() - 1))
        for name, tensor in points.parameters.items()
    }
    whole = testbed.whole
    return (
        replace(
            testbed,
            losses=_scaled(testbed.losses),
            whole=whole and (lambda w, c: whole(_weights(w, c), _others(c))),
            observables={
                name: replace(observable, losses=_scaled(observable.losses))
                for name, observable in testbed.observables.items()
            },
        ),
        replace(points, parameters=weights, constants={**points.constants, **constants}),
    )


def tensor_sizes(points: Points) -> dict[str, Tensor]:
    """Root mean square of the entries of each tensor, (checkpoint,); `relative` says of which."""
    squares = {name: t.flatten(1).square() for name, t in points.parameters.items() if t.dim() > 2}
    if not squares:
        raise ValueError("coordinates: relative ones need weights in matrices, and there are none")
    overall = torch.cat(list(squares.values()), dim=1).mean(1).sqrt()
    found = {}
    for name in points.parameters:
        own = squares[name].mean(1).sqrt() if name in squares else overall
        found[name] = torch.where(own > 0, own, overall)
    return found


def _scaled(losses: Losses) -> Losses:
    def of_weights(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return losses(_weights(w, constants), _others(constants), batch)

    return of_weights


def _weights(w: Parameters, constants: Parameters) -> dict[str, Tensor]:
    return {name: tensor * constants[f"{SIZE}{name}"] for name, tensor in w.items()}


def _others(constants: Parameters) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in constants.items() if not name.startswith(SIZE)}

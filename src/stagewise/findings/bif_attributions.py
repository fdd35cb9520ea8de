"""Attributions without sampling: gradients and curvature at the trained model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.engine.sample_gradients import sample_gradients, sample_jacobians
from stagewise.estimators.gauss_newton import gauss_newton, label_gradients
from stagewise.estimators.kronecker_factors import kronecker_factors, preconditioned
from stagewise.estimators.projected_kernel import projected_kernel
from stagewise.models import mlp
from stagewise.testbeds.digits_mlp import ACTIVATIONS
from stagewise.theory.local_influence import damped_influence

Array = NDArray[np.float64]
Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Rivals:
    """What is computed beside covariances."""

    dampings: list[float]
    """lambda of the exact influence functions."""
    kronecker_damping: float
    """Of K-FAC and EK-FAC, in units of the mean eigenvalue of each layer."""
    projection: int
    """Directions of TRAK."""


def attributions(
    weights: Weights,
    train: Mapping[str, Tensor],
    query: Mapping[str, Tensor],
    *,
    activation: str,
    penalty: float,
    rivals: Rivals,
) -> dict[str, Array]:
    """What each training image does to each query's loss, (train, query), by method.

    Positive where more weight on the image lowers the loss, to leading order. gradients: their
    inner products. damped <lambda>: influence functions with the exact Gauss-Newton matrix. kfac
    and ekfac: with Kronecker factors. trak: one model, no ensemble. The penalty's curvature counts
    in all matrices, as it does in training.
    """
    act = ACTIVATIONS[activation]

    def entropies(w: Weights, data: Mapping[str, Tensor]) -> Tensor:
        return mlp.cross_entropies(w, data["x"], data["y"], act)

    def logits(w: Weights, data: Mapping[str, Tensor]) -> Tensor:
        return mlp.logits(w, data["x"], act)

    def margins(w: Weights, data: Mapping[str, Tensor]) -> Tensor:
        """log p / (1 - p) of the right label."""
        scores, label = logits(w, data), data["y"][:, None]
        others = scores.scatter(-1, label, -torch.inf)
        return scores.gather(-1, label)[:, 0] - torch.logsumexp(others, -1)

    both = [sample_gradients(entropies, weights, data) for data in (train, query)]
    flat = [_flat(part, 1) for part in both]
    jacobians = sample_jacobians(logits, weights, train)
    with torch.no_grad():
        probabilities = torch.softmax(logits(weights, train), -1).double().numpy()
        right = torch.exp(-entropies(weights, train)).double().numpy()
        inputs = mlp.layer_inputs(weights, train["x"], act)
    matrix = gauss_newton(_flat(jacobians, 2), probabilities)
    matrix += penalty * np.eye(len(matrix))
    found = {"gradients": flat[0] @ flat[1].T}
    joint, count = np.concatenate(flat), len(flat[0])
    for damping in rivals.dampings:
        found[f"damped {damping:g}"] = damped_influence(joint, matrix, damping)[:count, count:]
    for name, corrected in (("kfac", False), ("ekfac", True)):
        found[name] = np.zeros_like(found["gradients"])
        for number, before in enumerate(inputs, start=1):
            # The Jacobian by a layer's bias is that by its outputs.
            outputs = _flat({"bias": jacobians[f"layer{number}.bias"]}, 2)
            backward = label_gradients(outputs, probabilities)
            factors = kronecker_factors(_with_one(before), backward, corrected=corrected)
            damping = penalty + rivals.kronecker_damping * float(factors.eigenvalues.mean())
            one, two = (preconditioned(_by_layer(part, number), factors, damping) for part in both)
            found[name] += one @ two.T
    of_train, of_query = (
        _flat(sample_gradients(margins, weights, data), 1) for data in (train, query)
    )
    found["trak"] = projected_kernel(of_train, of_query, right, width=rivals.projection, seed=0)
    return found


def _flat(tensors: Weights, lead: int) -> Array:
    """All tensors (..., d) behind the first `lead` axes, one after another."""
    return np.concatenate(
        [tensor.detach().flatten(lead).double().numpy() for tensor in tensors.values()], axis=-1
    )


def _with_one(inputs: Tensor) -> Array:
    return np.pad(inputs.double().numpy(), ((0, 0), (0, 1)), constant_values=1.0)


def _by_layer(gradients: Weights, number: int) -> Array:
    """(sample, out, in + 1), the bias last."""
    bias = gradients[f"layer{number}.bias"][..., None]
    return torch.cat([gradients[f"layer{number}.weight"], bias], -1).double().numpy()

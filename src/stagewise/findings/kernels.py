"""What the parts of figure 11 share: traces of draws files, logits' Jacobians, and controls."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch.func import jacrev

from stagewise.estimators.influence import correlation, covariance
from stagewise.findings.measured import Measured, exact
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.theory.local_influence import posterior_covariance
from stagewise.theory.softmax_kernel import Covariances, gauss_newton, softmax_covariances

Array = NDArray[np.float64]


def traces(draws: xr.Dataset, observable: str = "train") -> list[Array]:
    """Losses (chain, draw, sample) of an observable at every checkpoint, nats."""
    found = (
        draws[f"{observable}_loss"]
        .isel(n=0)
        .transpose("checkpoint", "chain", f"{observable}_draw", f"{observable}_sample")
    )
    return [found[place].values.astype(np.float64) for place in range(len(found))]


def properties(part: str, kernels: Sequence[Array]) -> dict[str, Measured]:
    """Of losses (chain, draw, sample): the least eigenvalue of a kernel over its largest, and the
    largest change of R when every loss l_i becomes a_i l_i + b_i, a_i > 0, b_i of its own size."""
    random = np.random.default_rng(0)
    least, change = [], []
    for losses in kernels:
        values = np.linalg.eigvalsh(covariance(losses).value)
        least.append(values[0] / values[-1])
        size = np.abs(losses).mean((0, 1))
        moved = np.exp(random.uniform(-1, 1, len(size))) * losses
        moved += size * random.standard_normal(len(size))
        change.append(np.abs(correlation(moved).value - correlation(losses).value).max())
    return {
        f"{part}_least_eigenvalue": exact(min(least), len(kernels)),
        f"{part}_affine_change": exact(max(change), len(kernels)),
    }


def permutation_p(
    statistic: Callable[[NDArray[np.int64]], float],
    labels: NDArray[np.int64],
    *,
    repeats: int,
    seed: int,
) -> Measured:
    """Share of random orders of the labels that reach the statistic of their own order."""
    random = np.random.default_rng(seed)
    value = statistic(labels)
    reached = sum(statistic(random.permutation(labels)) >= value for _ in range(repeats))
    return exact((1 + reached) / (1 + repeats), repeats)


def logits_and_jacobians(
    testbed: Testbed, points: Points, place: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """At one checkpoint, in double precision: logits (sample, class), their derivatives by all
    weights (sample, class, d), and labels (sample,)."""
    outputs, labels = testbed.outputs, testbed.data["y"]
    if outputs is None:
        raise SettingsError(f"testbed: {testbed.name} has no outputs")
    w = {name: tensor[place].double() for name, tensor in points.parameters.items()}
    with torch.no_grad():
        logits = outputs(w).reshape(len(labels), -1)
    pieces = jacrev(outputs)(w)
    flat = torch.cat([piece.flatten(1) for piece in pieces.values()], dim=1)
    return (
        logits.numpy(),
        flat.reshape(*logits.shape, -1).detach().numpy(),
        labels.numpy(),
    )


def exact_covariances(
    testbed: Testbed, points: Points, place: int, draws: xr.Dataset
) -> Covariances:
    """The Gauss-Newton kernel of one checkpoint, under the n beta, localization and step size of
    the draws."""
    logits, jacobians, labels = logits_and_jacobians(testbed, points, place)
    sigma = posterior_covariance(
        gauss_newton(jacobians, logits),
        nbeta=float(draws.nbeta[0]),
        localization=float(draws.localization),
        epsilon=float(draws.epsilon[place, 0]),
    )
    return softmax_covariances(jacobians, logits, labels, sigma)


def constant_share(correlations: Array) -> float:
    """Share of the first eigenvector's squared length that lies along the constant vector: near 1
    where a common drift of the chains looks like similarity of everything to everything."""
    vectors = np.linalg.eigh(correlations).eigenvectors
    return float(vectors[:, -1].sum() ** 2 / len(vectors))

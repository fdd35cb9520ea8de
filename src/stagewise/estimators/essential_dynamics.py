"""Essential dynamics: a few principal components of the path that outputs take in training.

After Hoogland et al. (2402.02364, first version). The principal components of any random walk are
smooth curves that explain most of its variance, so what is found is to be held against the
surrogates of `random_walks`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stagewise.estimators.plane_curves import cusps, vertices

PER = 20
"""Places of the smoothed curve per checkpoint."""


@dataclass(frozen=True)
class Components:
    """Principal components of a trajectory."""

    scores: NDArray[Any]
    """(checkpoint, component)"""
    shares: NDArray[Any]
    """(component,) shares of the variance that they explain."""


def gram(outputs: ArrayLike) -> NDArray[Any]:
    """Inner products (checkpoint, checkpoint) of the outputs (checkpoint, output) about their mean
    over checkpoints: all that principal components depend on."""
    centred = np.asarray(outputs, dtype=float)
    centred = centred - centred.mean(0)
    return centred @ centred.T


def components(products: NDArray[Any], count: int = 3) -> Components:
    """The first principal components of centred outputs of which `products` are the inner products.

    Signs are such that the score of largest size is positive.
    """
    values, vectors = np.linalg.eigh(products)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    scores = vectors[:, :count] * np.sqrt(values[:count])
    largest = np.abs(scores).argmax(0)
    signs = np.where(scores[largest, np.arange(count)] < 0, -1.0, 1.0)
    return Components(scores * signs, values[:count] / values.sum())


def random_walks(
    products: NDArray[Any], *, dimension: int, count: int, seed: int
) -> Iterator[NDArray[Any]]:
    """Centred inner products of random walks with the step norms of a trajectory.

    The directions of the steps are independent and uniform in `dimension` dimensions. Their inner
    products are those of the rows of a Wishart matrix's triangular root (Bartlett), divided by
    their norms, so a walk costs as much as its number of checkpoints, cubed.

    products   (checkpoint, checkpoint) of the trajectory, centred or not
    dimension  number of outputs, at least the number of steps
    """
    steps = len(products) - 1
    if dimension < steps:
        raise ValueError(f"dimension: must be at least the {steps} steps, got {dimension}")
    change = np.diff(np.eye(steps + 1), axis=0)
    norms = np.sqrt(np.maximum(np.diag(change @ products @ change.T), 0))
    random = np.random.default_rng(seed)
    for _ in range(count):
        root = np.tril(random.standard_normal((steps, steps)), -1)
        root[np.diag_indices(steps)] = np.sqrt(random.chisquare(dimension - np.arange(steps)))
        directions = root / np.linalg.norm(root, axis=1, keepdims=True)
        walk = np.vstack([np.zeros(steps), np.cumsum(norms[:, None] * directions, axis=0)])
        yield gram(walk)


@dataclass(frozen=True)
class Curve:
    """A smoothed path of scores, finely along the checkpoints."""

    places: NDArray[Any]
    """(place,), checkpoints counted from 0; between them fractions."""
    points: NDArray[Any]
    """(place, component)"""
    widths: NDArray[Any]
    """(place,) standard deviation of the smoothing kernel, in checkpoints."""


def smoothed(scores: NDArray[Any], width: tuple[float, float], *, per: int = PER) -> Curve:
    """Weighted means of the scores (checkpoint, component), by a Gaussian of the distance in the
    number of checkpoints, whose width goes linearly from one value to the other."""
    checkpoints = np.arange(len(scores))
    places = np.linspace(0, len(scores) - 1, per * (len(scores) - 1) + 1)
    widths = np.linspace(*width, len(places))
    weights = np.exp(-(((places[:, None] - checkpoints) / widths[:, None]) ** 2) / 2)
    return Curve(places, weights @ scores / weights.sum(1, keepdims=True), widths)


def pairs(curve: Curve) -> list[tuple[int, int]]:
    """The pairs of components whose planes are looked at."""
    return list(combinations(range(curve.points.shape[1]), 2))


def forms(curve: Curve) -> list[float]:
    """Places where every pair of components shows a vertex or a cusp: all of them within one
    smoothing width. Each is the middle of the narrowest such window of its neighbourhood."""
    farthest = np.zeros(len(curve.places))
    for pair in pairs(curve):
        plane = curve.points[:, pair]
        marks = [
            *vertices(curve.places, plane, curve.widths),
            *cusps(curve.places, plane, curve.widths),
        ]
        if not marks:
            return []
        distance = np.abs(curve.places[:, None] - np.array(marks)).min(1)
        farthest = np.maximum(farthest, distance)
    inside = farthest <= curve.widths / 2
    edges = np.flatnonzero(np.diff(inside.astype(int))) + 1
    runs = [run for run in np.split(np.arange(len(inside)), edges) if inside[run[0]]]
    return [float(curve.places[run[farthest[run].argmin()]]) for run in runs]


def nearest(places: Sequence[float], wanted: Sequence[float], curve: Curve) -> float:
    """Smallest distance between the two lists of places, in smoothing widths at the latter;
    infinite where one is empty."""
    if not places or not wanted:
        return float("inf")
    widths = np.interp(wanted, curve.places, curve.widths)
    return float((np.abs(np.subtract.outer(places, wanted)) / widths).min())

"""Influence functions with the curvature of every linear layer in Kronecker factors.

K-FAC (Martens and Grosse 2015, 1503.05671) takes a layer's Gauss-Newton matrix for the product of
the second moments of its inputs a and of the gradients g at its outputs. EK-FAC (George et al.
2018, 1806.03884; Grosse et al. 2023, 2308.03296) keeps the eigenvectors of that product and
measures the curvature along each.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Factors(NamedTuple):
    """Curvature of one layer y = W a, in the eigenbasis of its factors."""

    outputs: Array
    """Eigenvectors of E[g g^T], columns of (out, out)."""
    inputs: Array
    """Eigenvectors of E[a a^T], columns of (in, in)."""
    eigenvalues: Array
    """(out, in): of the product of factors, or the measured ones."""


def kronecker_factors(inputs: ArrayLike, backward: ArrayLike, *, corrected: bool) -> Factors:
    """The factors of a layer's part of the Gauss-Newton matrix of a mean loss.

    inputs     a of every sample, (sample, in), a 1 for the bias included
    backward   g for every label that the model could give a sample, times the square root of the
               label's probability, (sample, label, out)
    corrected  eigenvalues as of EK-FAC, E[(u.g)^2 (v.a)^2], or else the products of K-FAC
    """
    a, g = np.asarray(inputs, dtype=np.float64), np.asarray(backward, dtype=np.float64)
    of_inputs, v = np.linalg.eigh(a.T @ a / len(a))
    flat = g.reshape(-1, g.shape[-1])
    of_outputs, u = np.linalg.eigh(flat.T @ flat / len(g))
    if not corrected:
        return Factors(u, v, np.outer(of_outputs, of_inputs))
    along = ((g @ u) ** 2).sum(1)
    return Factors(u, v, along.T @ (a @ v) ** 2 / len(a))


def preconditioned(gradients: ArrayLike, factors: Factors, damping: float) -> Array:
    """(H + damping I)^-1/2 grad of every sample, (sample, out * in).

    Inner products of these are the influences through this layer; other layers add to them.

    gradients  by the layer's weights W, (sample, out, in), the bias in the last column
    damping    taken to be of all eigenvalues alike
    """
    turned = factors.outputs.T @ np.asarray(gradients, dtype=np.float64) @ factors.inputs
    scaled = turned / np.sqrt(np.maximum(factors.eigenvalues, 0) + damping)
    return np.asarray(scaled.reshape(len(scaled), -1))

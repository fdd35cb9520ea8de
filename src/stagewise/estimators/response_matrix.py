"""Matrices of responses, rows tokens and columns components: how reliable, and along which axes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def reliability(first: Array, second: Array) -> Array:
    """Correlation of each column of two independent halves of the draws, (column,): how much of a
    half's variance is not noise."""
    a, b = (half - half.mean(0) for half in (first, second))
    scale = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return np.divide((a * b).sum(0), scale, out=np.zeros(a.shape[1]), where=scale > 0)


def factor_to_reach(found: float, wanted: float) -> float:
    """How many times the draws of a half bring a reliability to `wanted` (Spearman 1910, Brown
    1910); infinite where nothing but noise is found."""
    if found <= 0:
        return float("inf")
    return wanted * (1 - found) / (found * (1 - wanted))


def standardised(matrix: Array) -> Array:
    """Columns of mean 0 and standard deviation 1: the unknown scale of each component is gone."""
    apart = matrix - matrix.mean(0)
    scale = apart.std(0)
    return np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0)


def row_centred(matrix: Array) -> Array:
    """Each row less its mean over the columns: what is common to all components is gone."""
    centred: Array = matrix - matrix.mean(1, keepdims=True)
    return centred


def without(matrix: Array, mode: Array) -> Array:
    """Residuals of the columns (row, column) after regression on one mode (row,), both centred."""
    apart, axis = matrix - matrix.mean(0), mode - mode.mean()
    residuals: Array = apart - np.outer(axis, axis @ apart) / (axis @ axis)
    return residuals


class Components(NamedTuple):
    """Principal components of the centred columns, in falling order."""

    shares: Array
    """(component,) of the variance."""
    scores: Array
    """(row, component)"""
    loadings: Array
    """(column, component) of unit length; the largest in size is positive."""


def principal_components(matrix: Array) -> Components:
    """Of a matrix (row, column), as many as it has columns."""
    apart = matrix - matrix.mean(0)
    left, values, right = np.linalg.svd(apart, full_matrices=False)
    largest = np.abs(right).argmax(1)
    signs = np.sign(right[np.arange(len(right)), largest])
    loadings: Array = (signs[:, None] * right).T
    return Components(values**2 / (values**2).sum(), left * values * signs, loadings)

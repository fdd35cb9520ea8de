"""Susceptibilities as sums over modes of the data distribution (2601.12703; 2504.18048).

With A(x, y) = q(y|x) the modes are the singular vectors A = sum_a s_a u_a(x) v_a(y), u_a
orthonormal in L2(q(x)), v_a in R^V. A susceptibility is linear in the perturbation, so that of one
token is

    chi_xy = sum_ab u_a(x) v_b(y) chi_ab,     chi_ab = sum_xy q(x) u_a(x) v_b(y) chi_xy

and sum_xy q(x) chi_xy^2 = sum_ab chi_ab^2. With all modes this is an identity; that few of them
suffice is not.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Modes(NamedTuple):
    """Complete bases, the leading vectors first."""

    contexts: Array
    """u (context, mode), as many as contexts, orthonormal in L2(q)."""
    tokens: Array
    """v (token, mode), as many as tokens, orthonormal."""
    strengths: Array
    """s, falling, as many as there are of the fewer."""


def modes(conditional: ArrayLike, weights: ArrayLike) -> Modes:
    """Of q(y|x), (context, token), under q(x), (context,); signs are arbitrary."""
    root = _root(weights)
    left, strengths, right = np.linalg.svd(root[:, None] * np.asarray(conditional, dtype=float))
    return Modes(left / root[:, None], right.T, strengths)


def random_modes(tokens: int, weights: ArrayLike, random: np.random.Generator) -> Modes:
    """Bases in uniformly random directions, orthonormal likewise, all of strength 1."""
    root = _root(weights)
    left, right = (
        np.linalg.qr(random.standard_normal((size, size)))[0] for size in (len(root), tokens)
    )
    return Modes(left / root[:, None], right, np.ones(min(len(root), tokens)))


def coefficients(values: ArrayLike, basis: Modes, weights: ArrayLike) -> Array:
    """chi_ab (..., a, b) of chi_xy (..., context, token)."""
    weighted = np.asarray(weights, dtype=float)[:, None] * np.asarray(values, dtype=float)
    found: Array = basis.contexts.T @ weighted @ basis.tokens
    return found


def expansion(found: ArrayLike, basis: Modes) -> Array:
    """chi_xy (..., context, token) of chi_ab (..., a, b)."""
    values: Array = basis.contexts @ np.asarray(found, dtype=float) @ basis.tokens.T
    return values


def captured(found: ArrayLike) -> Array:
    """Share of sum_xy q(x) chi_xy^2 that modes a, b <= m hold, (..., m), m = 1, 2, ..., from chi_ab
    (..., a, b)."""
    squares = np.asarray(found, dtype=float) ** 2
    corner = squares.cumsum(-2).cumsum(-1)
    count = min(squares.shape[-2:])
    leading = np.arange(count)
    shares: Array = corner[..., leading, leading] / corner[..., -1:, -1]
    return shares


def contents(basis: Modes) -> Array:
    """s_a u_a(x) v_a(y), (context, token, mode): how strongly a token in its context takes part in
    each mode."""
    count = len(basis.strengths)
    pairs = basis.contexts[:, None, :count] * basis.tokens[None, :, :count]
    found: Array = basis.strengths * pairs
    return found


def _root(weights: ArrayLike) -> Array:
    found = np.asarray(weights, dtype=float)
    if found.ndim != 1 or found.min() <= 0:
        raise ValueError("weights: q(x) must be positive, one number a context")
    return np.sqrt(found)

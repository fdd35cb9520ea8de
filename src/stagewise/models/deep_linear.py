"""Deep linear networks: the product map, and factors of a product with chosen ranks."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def product(factors: Tensor) -> Tensor:
    """W_L ... W_1 of stacked square factors (layer, width, width), the input's layer first."""
    first, *others = factors.unbind(0)
    for factor in others:
        first = factor @ first
    return first


def padded(factors: Sequence[Array], layers: int, width: int) -> tuple[Array, NDArray[np.bool_]]:
    """Factors (out, in) in the corners of (layer, width, width) zeros, and a mask of their place.

    Missing layers are identities outside the mask, so the product is unchanged.
    """
    whole = np.zeros((layers, width, width))
    mask = np.zeros((layers, width, width), dtype=bool)
    for layer, factor in enumerate(factors):
        out, into = factor.shape
        whole[layer, :out, :into] = factor
        mask[layer, :out, :into] = True
    whole[len(factors) :] = np.eye(width)
    return whole, mask


def balanced_factors(
    widths: Sequence[int], left: Array, values: Array, right: Array
) -> list[Array]:
    """Factors of left[:, :r] diag(values) right[:r] whose partial products all have rank r.

    Each has the singular values values^(1/L) on the first r hidden units: the most singular
    parameter that realizes the product, where Aoyagi's coefficient is attained.
    """
    layers, rank = len(widths) - 1, len(values)
    root = np.diag(values ** (1 / layers))
    factors = [np.zeros((b, a)) for a, b in itertools.pairwise(widths)]
    for factor in factors:
        factor[:rank, :rank] = root
    factors[0] = factors[0][:, :rank] @ right[:rank]
    factors[-1] = (
        left[:, :rank] @ factors[-1][:rank]
        if layers > 1
        else left[:, :rank] @ np.diag(values) @ right[:rank]
    )
    return factors


def _isometry(out: int, into: int, random: np.random.Generator) -> Array:
    """A random matrix whose singular values are all 1."""
    tall = np.linalg.qr(random.standard_normal((max(out, into), min(out, into))))[0]
    return tall if out >= into else tall.T


def cut_factors(widths: Sequence[int], rank: int, random: np.random.Generator) -> list[Array]:
    """Factors of full rank with unit singular values, but one, drawn at random, of `rank`."""
    pairs = list(itertools.pairwise(widths))
    cut = random.integers(len(pairs))
    factors = [_isometry(b, a, random) for a, b in pairs]
    into, out = pairs[cut]
    factors[cut] = _isometry(out, rank, random) @ _isometry(rank, into, random)
    return factors


def rescaled(factors: Sequence[Array], scale: float) -> list[Array]:
    """The same product with the input's factor multiplied and the next divided by `scale`."""
    first, second, *others = factors
    return [first * scale, second / scale, *others]


def random_rank_factors(widths: Sequence[int], random: np.random.Generator) -> list[Array]:
    """The generator of Furman and Lau (2402.03698): Gaussian factors of variance 1/fan-in, each
    cut with probability 1/2 to a uniformly random lower rank by zeroing rows or columns."""
    factors = []
    for into, out in itertools.pairwise(widths):
        factor = random.standard_normal((out, into)) / into**0.5
        if random.random() < 0.5:
            keep = int(random.integers(0, min(out, into)))
            if out <= into:
                factor[keep:] = 0
            else:
                factor[:, keep:] = 0
        factors.append(factor)
    return factors


def curvature_bound(factors: Sequence[Array]) -> float:
    """Largest curvature of the loss where every factor has spectral norm max(1, its own).

    sum over layers of the product of the squared norms of the other factors. At a singular
    point the Hessian itself can vanish; a chain tethered with gamma of order 1 wanders to
    factors of norm up to about 1, and this is what it meets there.
    """
    norms = [max(1.0, float(np.linalg.norm(factor, 2))) for factor in factors]
    return sum(
        float(np.prod([norm**2 for other, norm in enumerate(norms) if other != layer]))
        for layer in range(len(norms))
    )


def curvature_at(factors: Sequence[Array]) -> float:
    """Largest curvature of the loss at factors of the true map, but at least that of unit factors.

    The Hessian there is sum_l (P_l P_l^T) kron (S_l^T S_l), with P_l and S_l the products above
    and below layer l. It vanishes where two factors do; a chain tethered with gamma of order 1
    then meets that of factors of norm 1, the number of layers.
    """
    out, into = factors[-1].shape[0], factors[0].shape[1]
    above, below = [np.eye(out)], [np.eye(into)]
    for factor in reversed(factors[1:]):
        above.append(above[-1] @ factor)
    for factor in factors[:-1]:
        below.append(factor @ below[-1])
    hessian = sum(
        np.kron(up @ up.T, down.T @ down) for up, down in zip(reversed(above), below, strict=True)
    )
    return max(float(np.linalg.eigvalsh(hessian)[-1]), float(len(factors)))

"""Local learning coefficient of a deep linear network at a smooth point of its zero set."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np


def jacobian_rank(factors: Sequence[np.ndarray], *, tolerance: float = 1e-9) -> int:
    """Rank of the Jacobian of (W_1, ..., W_L) -> W_L ... W_1 at the given factors.

    The image of the differential is the sum over l of U_l (x) V_l, with U_l the column space
    of W_L ... W_(l+1) and V_l the row space of W_(l-1) ... W_1. The U_l grow with l and the V_l
    shrink, so with u_l and v_l their dimensions (u_L the outputs, v_1 the inputs, u_0 = 0)

        rank = sum_l (u_l - u_(l-1)) v_l

    which needs the ranks of partial products only.

    factors    (out, in) each, the first applied to the input
    tolerance  singular values below this fraction of the largest count as zero; every factor
               and partial product is first scaled to largest singular value 1
    """
    for l, (lower, upper) in enumerate(pairwise(factors), start=1):  # noqa: E741
        if upper.shape[1] != lower.shape[0]:
            raise ValueError(
                f"factor {l} has {lower.shape[0]} outputs, factor {l + 1} takes {upper.shape[1]}"
            )
    left = _partial_ranks([w.T for w in reversed(factors)], tolerance)[::-1]  # u_1, ..., u_L
    right = _partial_ranks(factors, tolerance)  # v_1, ..., v_L
    return sum((u - before) * v for before, u, v in zip([0, *left], left, right, strict=False))


def generic_coefficient(factors: Sequence[np.ndarray], *, tolerance: float = 1e-9) -> Fraction:
    """Half the Jacobian rank: the local coefficient where the fibre of the product is smooth.

    K vanishes on the fibre, the factors with the same product. Where the Jacobian rank of the
    product map is the same at all nearby points of the fibre, the fibre is a manifold of that
    codimension, on which the Hessian of K is positive across it (K is a nondegenerate
    quadratic form in the product's error), and by the lemma of Morse and Bott K is a sum of
    as many squares: lambda is half the rank, with multiplicity 1. This holds at almost every
    point of the fibre, for example where one factor has the rank of the product and every other
    factor has full rank.

    It fails where a small move along the fibre raises the rank of a partial product, as at
    balanced points, where every factor has the rank of the product and Aoyagi's coefficient is
    attained instead (`stagewise.theory.aoyagi.deep_linear`). Half the rank is then only a
    lower bound. The function does not check which is the case.

    factors, tolerance  as for `jacobian_rank`
    """
    return Fraction(jacobian_rank(factors, tolerance=tolerance), 2)


def _partial_ranks(factors: Sequence[np.ndarray], tolerance: float) -> list[int]:
    """Ranks of the identity, W_1, W_2 W_1, ..., W_(L-1) ... W_1."""
    partial = np.eye(factors[0].shape[1])
    ranks = [partial.shape[0]]
    for factor in factors[:-1]:
        size = np.linalg.norm(factor, 2)
        partial = (factor / size if size > 0 else factor) @ partial
        u, s, vt = np.linalg.svd(partial, full_matrices=False)
        rank = int(np.sum(s > tolerance))
        # only the row space is read later, through further products: keep a clean one
        partial = (u[:, :rank] * (s[:rank] / s[0])) @ vt[:rank] if rank else 0 * partial
        ranks.append(rank)
    return ranks

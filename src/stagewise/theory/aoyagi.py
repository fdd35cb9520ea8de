"""Exact learning coefficients of deep linear networks, in rational arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil


@dataclass(frozen=True)
class LearningCoefficient:
    """A learning coefficient (real log canonical threshold) and its multiplicity.

    The posterior volume of {K < eps} behaves as eps^value (-log eps)^(multiplicity - 1).
    """

    value: Fraction
    multiplicity: int


def deep_linear(widths: Sequence[int], rank: int) -> LearningCoefficient:
    """Exact learning coefficient of a product of matrices whose true product has a given rank.

    With M_s = H_s - r in ascending order, let S hold the l + 1 smallest, l >= 1 the first
    number for which sum_S M <= l M_(next), or all of them. Put T = sum_S M,
    a = T - (ceil(T / l) - 1) l. Then

        lambda = [r (H_1 + H_(L+1)) - r^2] / 2 + a (l - a) / (4 l)
                 - (l - 1) T^2 / (4 l) + (1/2) sum_(i<j in S) M_i M_j
        m      = a (l - a) + 1

    (Aoyagi, 2023, multi-layer reduced-rank regression). The published conditions on S also ask
    for sum_S M >= l max_S M. It holds by itself for the first admissible l: for l = 1 it reads
    M_1 >= 0, and if l is refused then sum_S M > l M_(next), to which M_(next) is added on both
    sides. The published inequalities are strict; where a tie makes them fail, T / l is the tied
    width, and S with or without it gives the same value and multiplicity 1.

    This is the smallest local coefficient over all factorisations of the product, attained
    where every factor has exactly the rank of the product; at other points of the zero set
    the local coefficient can be larger (see `stagewise.theory.deep_linear`).

    widths   H_1 (input), ..., H_(L+1) (output), for L matrices
    rank     r, of the true product
    """
    _check(widths, rank)
    excess = sorted(width - rank for width in widths)
    l = 1  # noqa: E741  (the symbol of the paper)
    while l + 1 < len(excess) and sum(excess[: l + 1]) > l * excess[l + 1]:
        l += 1  # noqa: E741
    chosen = excess[: l + 1]
    total = sum(chosen)
    a = total - (ceil(Fraction(total, l)) - 1) * l
    pairs = (total**2 - sum(m * m for m in chosen)) // 2
    value = (
        Fraction(rank * (widths[0] + widths[-1]) - rank**2, 2)
        + Fraction(a * (l - a), 4 * l)
        - Fraction((l - 1) * total**2, 4 * l)
        + Fraction(pairs, 2)
    )
    return LearningCoefficient(value=value, multiplicity=a * (l - a) + 1)


def reduced_rank(inputs: int, hidden: int, outputs: int, rank: int) -> LearningCoefficient:
    """Exact learning coefficient of the two-layer linear network, from its own closed form.

    With M inputs, H hidden units, N outputs and true rank r,

        M + H < N + r:  lambda = (H M - H r + N r) / 2
        N + H < M + r:  lambda = (H N - H r + M r) / 2
        M + N < H + r:  lambda = M N / 2
        otherwise:      lambda = [2 (H + r)(M + N) + 2 M N - (H + r)^2 - M^2 - N^2] / 8,
                        plus 1/8 and m = 2 when M + H + N + r is odd

    and m = 1 elsewhere (Aoyagi and Watanabe, 2005, main theorem). It shares no step with
    `deep_linear` and so serves as its check.
    """
    _check((inputs, hidden, outputs), rank)
    M, H, N, r = inputs, hidden, outputs, rank
    if N + r > M + H:
        return LearningCoefficient(Fraction(H * M - H * r + N * r, 2), 1)
    if M + r > N + H:
        return LearningCoefficient(Fraction(H * N - H * r + M * r, 2), 1)
    if H + r > M + N:
        return LearningCoefficient(Fraction(M * N, 2), 1)
    odd = (M + H + N + r) % 2
    eighths = 2 * (H + r) * (M + N) + 2 * M * N - (H + r) ** 2 - M**2 - N**2 + odd
    return LearningCoefficient(Fraction(eighths, 8), 1 + odd)


def _check(widths: Sequence[int], rank: int) -> None:
    if len(widths) < 2:
        raise ValueError(f"a linear network needs at least 2 widths, got {list(widths)}")
    if min(widths) < 1:
        raise ValueError(f"widths must be positive, got {list(widths)}")
    if rank < 0:
        raise ValueError(f"rank must not be negative, got {rank}")
    if rank > min(widths):
        raise ValueError(f"rank {rank} exceeds the smallest width of {list(widths)}")

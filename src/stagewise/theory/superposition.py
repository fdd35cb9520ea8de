"""The toy model of superposition in the limit of one active feature: loss, polygons, phases.

The model is f(x) = ReLU(W^T W x + b) with W (r, c) and b (c,); the data are x = mu e_i with i
uniform on the c features and mu uniform on [0, 1] (Chen et al., 2023, arXiv 2310.06301). Losses
are mean squared errors summed over outputs, not halved.
"""

from fractions import Fraction

import numpy as np
from scipy.optimize import brentq

PHASES_6 = ("4", "4+", "4++", "5", "5+", "6")
"""The polygon phases of c = 6 features, in the order of the number of vertices."""


def potential_by_integration(W: np.ndarray, b: np.ndarray) -> float:
    """Population loss, by integrating its definition.

        L = (1/c) sum_i int_0^1 |mu e_i - ReLU(mu W^T W_i + b)|^2 dmu

    For each active feature the integrand is a quadratic in mu between the points where an
    output starts or stops being active, so a three-point Gauss-Legendre rule on each piece is
    exact up to rounding. It uses none of the case distinctions of `potential`.

    W        (r, c)  columns are the features' directions
    b        (c,)    biases
    returns  L, squared error per sample
    """
    W, b = _checked(W, b)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    total = 0.0
    for feature, slopes in enumerate(W.T @ W):
        kinks = -b[slopes != 0] / slopes[slopes != 0]
        edges = np.concatenate([[0.0], np.sort(kinks[(kinks > 0) & (kinks < 1)]), [1.0]])
        half = np.diff(edges)[:, None] / 2  # (piece, 1)
        mu = (edges[:-1, None] + half * (nodes + 1)).ravel()
        error = np.maximum(np.outer(mu, slopes) + b, 0)  # (node, output)
        error[:, feature] -= mu
        total += float((half * weights).ravel() @ (error**2).sum(axis=1))
    return total / len(b)


def potential(W: np.ndarray, b: np.ndarray) -> float:
    """Population loss, in closed form.

        L = (1/c) [ sum_ij G(A_ij, b_j) + sum_i (1/3 - 2 C(A_ii, b_i)) ],   A = W^T W

    with G(a, B) = int_0^1 ReLU(a mu + B)^2 dmu and C(a, B) = int_0^1 mu ReLU(a mu + B) dmu
    written out piece by piece; the same function as Lemma 3.1 of Chen et al. (2023), grouped
    differently.

    W        (r, c)  columns are the features' directions
    b        (c,)    biases
    returns  L, squared error per sample
    """
    W, b = _checked(W, b)
    gram = W.T @ W
    outputs = _mean_square(gram, np.broadcast_to(b, gram.shape)).sum()
    overlap = _mean_overlap(np.diag(gram), b).sum()
    return float((outputs + len(b) / 3 - 2 * overlap) / len(b))


def polygon(k: int, c: int) -> tuple[float, float]:
    """Length and bias (l*, b*) of the regular k-gon that is a critical point of the loss.

    The k columns are l (cos 2 pi j / k, sin 2 pi j / k), with one bias b = -x l^2 <= 0, and any
    other columns are zero. On this family the loss depends on the columns used as

        (k / c) [ l^4 P(x) - 2 l^2 Q(x) + 1/3 ],   Q(x) = (1 - x)^2 (2 + x) / 6,
        P(x) = sum over j with cos_j > x of (cos_j - x)^3 / (3 cos_j),

    so that l^2 = Q / P, and x maximises Q^2 / P on [0, 1): one root of a function of one variable.
    Points critical within the family are critical in all of W and b, because the family is the
    set fixed by the symmetries of the polygon (rotate and relabel, reflect and relabel) and the
    loss is continuously differentiable. For k = 3 and 4 distinct columns have no positive
    inner product and (1, 0) reconstructs the k features exactly.

    Gives the table of Chen et al. (2023) for k = 4, ..., 8. The paper finds no critical c-gon for
    c = 9, 10, 11 and 13 and one for c = 12; that is true of polygons in which every pair of
    columns at an acute angle leaks (`every_acute_pair_leaks`). The points returned here for 9,
    10, 11 and 13 have pairs at an acute angle that do not, and their gradient vanishes.

    k        number of vertices, at least 3
    c        number of features, at least k
    returns  l* > 0 and b* <= 0
    """
    if k < 3 or k > c:
        raise ValueError(f"a polygon needs 3 <= k <= c, got k = {k}, c = {c}")
    if k <= 4:
        return 1.0, 0.0
    cosines = np.cos(2 * np.pi * np.arange(k) / k)

    def active(x: float) -> np.ndarray:
        return cosines[cosines > x]

    def slope(x: float) -> float:  # of log(Q^2 / P)
        a = active(x)
        log_p = -np.sum((a - x) ** 2 / a) / np.sum((a - x) ** 3 / (3 * a))
        return float(2 * (1 / (2 + x) - 2 / (1 - x)) - log_p)

    x = float(brentq(slope, 0.0, 1 - 1e-6, xtol=1e-15, rtol=1e-14))
    a = active(x)
    squared = (1 - x) ** 2 * (2 + x) / 6 / float(np.sum((a - x) ** 3 / (3 * a)))
    return squared**0.5, -x * squared


def every_acute_pair_leaks(k: int, c: int) -> bool:
    """Whether each used output of the k-gon is reached by every column at an acute angle to it.

    True where l*^2 cos_j + b* > 0 for every cos_j = cos(2 pi j / k) > 0: the chamber of
    parameters in which Chen et al. (2023) look for regular polygons.
    """
    length, bias = polygon(k, c)
    # an exact right angle is not acute, whatever its cosine rounds to
    acute = [j for j in range(1, k) if 4 * min(j, k - j) < k]
    return all(length**2 * np.cos(2 * np.pi * j / k) + bias > 0 for j in acute)


def polygon_parameters(
    k: int, c: int, *, positive: int = 0, unused_bias: float = -0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the k-gon in c features, with its unused biases chosen.

    The first k columns carry the polygon; the c - k others are zero. The first `positive` of
    the unused biases have the value 1 / (2c), which is best for a feature that is not
    represented; the others are `unused_bias`, any negative number, on which the loss does not
    depend.

    returns  W (2, c) and b (c,)
    """
    length, bias = polygon(k, c)
    if not 0 <= positive <= c - k:
        raise ValueError(f"the {k}-gon in {c} features has {c - k} unused biases, not {positive}")
    if unused_bias >= 0:
        raise ValueError(f"unused_bias must be negative, got {unused_bias}")
    angles = 2 * np.pi * np.arange(k) / k
    W = np.zeros((2, c))
    W[:, :k] = length * np.array([np.cos(angles), np.sin(angles)])
    b = np.full(c, unused_bias)
    b[:k] = bias
    b[k : k + positive] = 1 / (2 * c)
    return W, b


def polygon_loss(k: int, c: int, positive: int = 0) -> float:
    """Population loss of the k-gon in c features with `positive` positive unused biases.

        L = [h_k + c - k] / (3 c) - positive / (4 c^2)

    with h_k / (3 k) the loss of the k-gon in k features (Chen et al., 2023, table of losses).
    """
    return potential(*polygon_parameters(k, c, positive=positive))


def polygon_coefficient(k: int, c: int, positive: int = 0) -> Fraction:
    """Exact local learning coefficient of the k-gon, for 4 <= k <= 8 and c <= 8.

        lambda = (3 c - 1 - f (c - k - positive)) / 2,   f = 3 for k >= 5, f = 1 for k = 4

    half the number of directions in which the loss is not exactly constant. The 3 c parameters
    have one flat direction from rotations. An unused feature with negative bias adds f more: its
    bias, and for k >= 5 its two weights, because the used outputs have negative biases and
    stay silent for a small column.

    Why half the number of directions left is the coefficient: for k >= 5 the loss is analytic
    near the point, and its Hessian is positive on what is left, so it is a sum of squares
    (Morse and Bott). For k = 4 the used biases vanish and the loss is not twice
    differentiable, but to leading order it is still homogeneous of degree 2, being a sum of
    G(a, B) with both arguments small. That form is positive away from the flat directions:
    it vanishes only if the lengths and biases are unchanged, no neighbouring pair of columns
    closes up (around the four of them, only a rotation does that), and each unused column
    has no positive inner product with any of the four (only zero does that). A continuous
    form positive on the sphere lies between two multiples of the squared distance, which
    fixes the coefficient. With positive unused biases the form gains cross terms; its
    positivity, like that of the Hessians, has been verified numerically for every case
    accepted here.

    Refused with ValueError: other k and c, and for k >= 5 a mixture of positive and negative
    unused biases (first possible at c = 7). There the loss holds a term W_u . W_v / (2 c), u with
    the positive bias and v with the negative one, and no square of W_v: the point is a saddle
    and has no coefficient.
    """
    if not 4 <= k <= c <= 8:
        raise ValueError(f"coefficient not established for the {k}-gon in {c} features")
    if not 0 <= positive <= c - k:
        raise ValueError(f"the {k}-gon in {c} features has {c - k} unused biases, not {positive}")
    if k >= 5 and 0 < positive < c - k:
        raise ValueError(f"the {k}-gon in {c} features with {positive} positive biases is a saddle")
    flat_per_unused = 1 if k == 4 else 3
    return Fraction(3 * c - 1 - flat_per_unused * (c - k - positive), 2)


def parse_phase(phase: str) -> tuple[int, int]:
    """Number of vertices and of positive unused biases named by a phase: "5+" gives (5, 1)."""
    digits = phase.rstrip("+")
    if not digits.isdecimal():
        raise ValueError(f'a phase reads "5" or "4++", got "{phase}"')
    return int(digits), len(phase) - len(digits)


def critical_sample_size(phase_a: str, phase_b: str, c: int, *, prior: bool) -> float:
    """Sample size at which the free energies of two phases cross, a below and b above it.

    The larger root of

        n (L_b - L_a) + (lambda_b - lambda_a) log n + (C_b - C_a) = 0

    (Chen et al., 2023, free energy of a phase). C = |w|^2 / 2 is minus the log of the standard
    normal prior at the point, with nothing for unused negative biases, which are free to
    be zero; it is left out if `prior` is false. Log-determinants and the numbers of equivalent
    copies are not in the formula, so the sampled posterior can cross elsewhere.

    phase_a, phase_b  as in `PHASES_6`; phase_b must have the lower loss
    returns           n, in samples; ValueError if no crossing lies above n = 1
    """
    (k_a, plus_a), (k_b, plus_b) = parse_phase(phase_a), parse_phase(phase_b)
    loss = polygon_loss(k_b, c, plus_b) - polygon_loss(k_a, c, plus_a)
    if loss >= 0:
        raise ValueError(f"{phase_b} does not have a lower loss than {phase_a} at c = {c}")
    coefficient = float(polygon_coefficient(k_b, c, plus_b) - polygon_coefficient(k_a, c, plus_a))
    cost = _prior_cost(k_b, c, plus_b) - _prior_cost(k_a, c, plus_a) if prior else 0.0

    def difference(n: float) -> float:
        return float(n * loss + coefficient * np.log(n) + cost)

    # beyond its maximum, at n = coefficient / -loss, the difference only falls
    start = max(1.0, coefficient / -loss)
    if difference(start) <= 0:
        raise ValueError(f"the free energies of {phase_a} and {phase_b} do not cross above n = 1")
    stop = 2 * start
    while difference(stop) > 0:
        stop *= 2
    return float(brentq(difference, start, stop, rtol=1e-12))


def _prior_cost(k: int, c: int, positive: int) -> float:
    W, b = polygon_parameters(k, c, positive=positive)
    return float((W**2).sum() + (b[: k + positive] ** 2).sum()) / 2


def _mean_square(a: np.ndarray, B: np.ndarray) -> np.ndarray:
    """G(a, B) = int_0^1 ReLU(a mu + B)^2 dmu, elementwise."""
    end = a + B
    divisor = np.where(a == 0, 1.0, a)
    both = a**2 / 3 + a * B + B**2
    return np.select(
        [(B >= 0) & (end >= 0), B >= 0, end > 0],
        [both, -(B**3) / (3 * divisor), end**3 / (3 * divisor)],
        0.0,
    )


def _mean_overlap(a: np.ndarray, B: np.ndarray) -> np.ndarray:
    """C(a, B) = int_0^1 mu ReLU(a mu + B) dmu for a >= 0, elementwise."""
    divisor = np.where(a == 0, 1.0, a)
    both = a / 3 + B / 2
    return np.select([B >= 0, a + B > 0], [both, both - B**3 / (6 * divisor**2)], 0.0)


def _checked(W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    W, b = np.asarray(W, dtype=float), np.asarray(b, dtype=float)
    if W.ndim != 2 or b.shape != (W.shape[1],):
        raise ValueError(f"W must be (r, c) and b (c,), got {W.shape} and {b.shape}")
    return W, b

"""Two-layer linear networks on one-hot items: how they learn, and who influences whom.

f(x_i) = W2 W1 x_i with x_i = e_i, targets Y (output, item), losses l_i = |W2 W1 x_i - y_i|^2 / 2
and L their mean over the n items; Y = U S V^T (Saxe, McClelland and Ganguli 2019; Lee et al.
2025, 2510.12071).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stagewise.theory.local_influence import factored_covariance, posterior_covariance

Array = NDArray[np.float64]


class Change(NamedTuple):
    """The weight of one item's loss differs from 1 for some time."""

    item: int
    amount: float
    """Added to the weight: -1 takes the item away."""
    start: float = 0.0
    end: float = np.inf


def mode_strength(times: ArrayLike, value: float, *, items: int, start: float) -> Array:
    """g(t) = s E / (E - 1 + s / a0), E = exp(2 s t / n): u^T W2 W1 v of one mode, (time,).

    By gradient flow of L from balanced aligned weights, each mode of strength a0.

    value  s, singular value of Y;  items  n;  start  a0
    """
    # divided by E, so that it cannot overflow
    decay = np.exp(-2 * value * np.asarray(times, dtype=np.float64) / items)
    return np.asarray(value / (1 + (value / start - 1) * decay))


def mode_sensitivity(times: ArrayLike, value: float, *, items: int, start: float) -> Array:
    """dg / ds of `mode_strength`, (time,)."""
    t = np.asarray(times, dtype=np.float64)
    decay = np.exp(-2 * value * t / items)
    below = 1 + (value / start - 1) * decay
    slope = decay / start - (value / start - 1) * decay * 2 * t / items
    return np.asarray(1 / below - value * slope / below**2)


def half_time(value: float, *, items: int, start: float) -> float:
    """When a mode has half its strength: (n / 2 s) ln(s / a0 - 1)."""
    return float(items / (2 * value) * np.log(value / start - 1))


def aligned(targets: Array, *, width: int, start: float, seed: int) -> tuple[Array, Array]:
    """W1 = R sqrt(a0) V^T, W2 = U sqrt(a0) R^T with R^T R = I: balanced weights, modes unmixed."""
    left, _, right = np.linalg.svd(targets, full_matrices=False)
    random = np.random.default_rng(seed)
    hidden = np.linalg.qr(random.standard_normal((width, right.shape[0])))[0] * start**0.5
    return hidden @ right, left @ hidden.T


def flow(
    first: Array,
    second: Array,
    targets: Array,
    changes: list[Change],
    *,
    rate: float,
    steps: int,
    every: int,
) -> tuple[Array, Array]:
    """Gradient descent of L under each change of an item's weight, side by side.

    first, second  W1 (hidden, item) and W2 (output, hidden) at the start
    rate           step size; time is rate times the step, in which changes are given, too
    returns        losses (change, time, item) and products W2 W1 (change, time, output, item) at
                   every `every` steps from 0 on
    """
    items = targets.shape[1]
    one = np.repeat(first[None], len(changes), axis=0)
    two = np.repeat(second[None], len(changes), axis=0)
    losses, products = [], []
    starts, ends = np.array([c.start for c in changes]), np.array([c.end for c in changes])
    amounts = np.zeros((len(changes), items))
    amounts[np.arange(len(changes)), [c.item for c in changes]] = [c.amount for c in changes]
    for step in range(steps + 1):
        product = two @ one
        error = product - targets
        if step % every == 0:
            losses.append((error**2).sum(1) / 2)
            products.append(product)
        time = rate * (step + 1e-9)
        weights = 1 + amounts * ((starts <= time) & (time < ends))[:, None]
        weighted = error * weights[:, None, :] * (rate / items)
        one, two = (
            one - two.transpose(0, 2, 1) @ weighted,
            two - weighted @ one.transpose(0, 2, 1),
        )
    return np.stack(losses, axis=1), np.stack(products, axis=1)


def sensitivity(
    first: Array,
    second: Array,
    targets: Array,
    item: int,
    *,
    rate: float,
    steps: int,
    every: int,
    apart: float = 1e-4,
) -> Array:
    """I_pj(t) = d l_j(t) / d w_p of the weight of item p, by central differences, (time, item)."""
    both = [Change(item, apart), Change(item, -apart)]
    losses, _ = flow(first, second, targets, both, rate=rate, steps=steps, every=every)
    return np.asarray((losses[0] - losses[1]) / (2 * apart))


def analytic_influence(targets: Array, item: int, times: ArrayLike, *, start: float) -> Array:
    """I_pj(t), perturbing only the input-output covariance, from aligned weights: (time, item).

    d W = U [F1 o sym(K) + F2 o anti(K)] V^T + (I - U U^T) y_p x_p^T V diag(g / s) V^T with
    K = U^T y_p x_p^T V, F1 = (g_j - g_k) / (s_j - s_k), dg/ds where they are equal,
    F2 = (g_j + g_k) / (s_j + s_k); I_pj = -(y_j - W x_j)^T dW x_j. Holds where singular values
    repeat.
    """
    t = np.atleast_1d(np.asarray(times, dtype=np.float64))
    left, values, right = np.linalg.svd(targets, full_matrices=False)
    items = targets.shape[1]
    column = targets[:, item]
    mixed = np.outer(left.T @ column, right[:, item])
    symmetric, anti = (mixed + mixed.T) / 2, (mixed - mixed.T) / 2
    outside = np.outer(column - left @ (left.T @ column), right[:, item])
    gaps, sums = values[:, None] - values[None], values[:, None] + values[None]
    equal = np.abs(gaps) < 1e-9 * values[0]
    strengths = np.stack([mode_strength(t, s, items=items, start=start) for s in values], axis=1)
    slopes = np.stack([mode_sensitivity(t, s, items=items, start=start) for s in values], axis=1)
    found = []
    for g, slope in zip(strengths, slopes, strict=True):
        apart = np.where(equal, 1.0, gaps)
        quotient = np.where(equal, slope[:, None], (g[:, None] - g[None]) / apart)
        within = quotient * symmetric + (g[:, None] + g[None]) / sums * anti
        changed = left @ within @ right + outside @ (right * (g / values)[:, None])
        error = (left * g) @ right - targets
        found.append((error * changed).sum(0))
    return np.stack(found)


def gradient_kernel(first: Array, second: Array, targets: Array) -> Array:
    """K_ij = grad l_i . grad l_j = d_ij e_i^T W2 W2^T e_j + (e_i . e_j)(h_i . h_j), (item, item).

    e_i = (W2 W1 - Y) x_i, h_i = W1 x_i. gamma Cov(l_i, l_j) -> K_ij for strong localization.
    """
    error = second @ first - targets
    back = second.T @ error
    return np.asarray(np.diag((back**2).sum(0)) + (error.T @ error) * (first.T @ first))


def derivatives(first: Array, second: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Gradients (item, d) of every l_i, in the order W1, W2, and its Hessian U_i C U_i^T by factors
    U (item, d, r) and a core C (r, r) that all items share, r = 2 width + outputs.

    Of an item with hidden activations h and errors e, W1's column alone has a part in the Hessian:
    U_i = [E, K, F] with E the coordinates of that column, K = I (x) h and F = e (x) I in W2's.
    """
    hidden, items = first.shape
    outputs, every = len(targets), np.eye(hidden)
    error = second @ first - targets
    factors = np.zeros((items, hidden * items + outputs * hidden, 2 * hidden + outputs))
    for item, factor in enumerate(factors):
        column, rest = factor[item : hidden * items : items], factor[hidden * items :]
        column[:, :hidden] = every
        rest[:, hidden:-hidden] = np.kron(np.eye(outputs), first[:, item, None])
        rest[:, -hidden:] = np.kron(error[:, item, None], every)
    none, across = np.zeros((hidden, hidden)), np.zeros((outputs, hidden))
    core = np.block(
        [
            [second.T @ second, second.T, every],
            [second, np.eye(outputs), across],
            [every, across.T, none],
        ]
    )
    slopes = np.concatenate([second.T @ error, error, np.zeros((hidden, items))])
    return np.einsum("idr,ri->id", factors, slopes), factors, core


def second_order_covariance(
    first: Array,
    second: Array,
    targets: Array,
    *,
    nbeta: float,
    localization: float,
    epsilon: float = 0.0,
) -> Array:
    """Cov(l_i, l_j) of the local posterior to second order in w - w*, (item, item).

    Every loss is replaced by its second-order expansion, whose posterior is Gaussian: mean
    m = -n beta P^-1 grad L, covariance as of `posterior_covariance`; ValueError where that is none.
    """
    gradients, factors, core = derivatives(first, second, targets)
    items = len(factors)
    side_by_side = np.concatenate(factors, axis=1)
    hessian = np.concatenate(factors @ core, axis=1) @ side_by_side.T / items
    precision = nbeta * hessian + localization * np.eye(len(hessian))
    mean = np.linalg.solve(precision, -nbeta * gradients.mean(0))
    sigma = posterior_covariance(hessian, nbeta=nbeta, localization=localization, epsilon=epsilon)
    there = gradients + np.einsum("idr,ir->id", factors, (mean @ factors) @ core)
    return factored_covariance(there, factors, core, sigma)

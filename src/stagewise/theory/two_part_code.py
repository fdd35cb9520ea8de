"""Two-part codes of Gaussian data in singular models, exactly: Urdshals et al. (arXiv 2510.12077).

Samples x ~ N(f(w), 1), the truth f = 0, the prior uniform on [-1, 1]^d. So K(w) = f(w)^2 / 2 and
only the mean of the samples enters any code length. All lengths are in nats.

The redundancy of a code is its length of x_1, ..., x_n beyond that of the truth,
-sum_i log q(x_i). The theorem: of the best two-part code, and of the Bayesian mixture, it is
lambda log n - (m - 1) log log n + O_p(1).
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from stagewise.theory.aoyagi import LearningCoefficient
from stagewise.theory.normal_crossing import monomial_coefficient

Array = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NEGLIGIBLE = 1e-4
"""sqrt(n) f below which the likelihood of f is that of 0, to a square of this."""


@dataclass(frozen=True)
class Model:
    """A mean that is a monomial, f = w^k or w_1^a w_2^b, in each of so many coordinates."""

    powers: tuple[int, ...]
    copies: int = 1
    """Coordinates of the samples, each with parameters of its own."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.powers) <= 2 or min(self.powers) < 1:
            raise ValueError(f"powers: one or two positive numbers, got {self.powers}")
        if self.copies < 1:
            raise ValueError(f"copies: must be positive, got {self.copies}")

    @property
    def parameters(self) -> int:
        """d"""
        return self.copies * len(self.powers)

    @property
    def coefficient(self) -> LearningCoefficient:
        """Exact lambda and m: those of one coordinate, times and one plus m - 1 times `copies`."""
        one = monomial_coefficient(self.powers, [0] * len(self.powers))
        value = Fraction(self.copies * one.value)
        return LearningCoefficient(value, self.copies * (one.multiplicity - 1) + 1)

    @property
    def signed(self) -> bool:
        """Whether one coordinate of f takes both signs (it is then symmetric)."""
        return any(power % 2 for power in self.powers)

    def leading(self, n: ArrayLike) -> Array:
        """lambda log n - (m - 1) log log n."""
        log_n = np.log(np.asarray(n, dtype=float))
        exact = self.coefficient
        return float(exact.value) * log_n - (exact.multiplicity - 1) * np.log(log_n)


def mass_below(powers: tuple[int, ...], size: ArrayLike) -> Array:
    """Prior probability that |f| <= t of one coordinate, for t in [0, 1].

    f = w^k:                    t^(1/k)
    f = w_1^a w_2^b, a < b:     [b t^(1/b) - a t^(1/a)] / (b - a)
    f = (w_1 w_2)^a:            t^(1/a) (1 - (1/a) log t)
    """
    t = np.asarray(size, dtype=float)
    if len(powers) == 1:
        return t ** (1 / powers[0])
    a, b = sorted(powers)
    if a < b:
        return (b * t ** (1 / b) - a * t ** (1 / a)) / (b - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(t > 0, t ** (1 / a) * (1 - np.log(t) / a), 0.0)


def codebook(model: Model, n: float) -> tuple[Array, Array]:
    """Means p_j and lengths of their codewords, of one coordinate: (cell,), (cell,).

    The range of f is cut into cells of width s = sqrt(2 / n), so that neighbours p_j = j s differ
    by a Kullback-Leibler divergence of s^2 / 2 = 1 / n. A codeword is as long as -log of the prior
    mass of its cell, so that its Kraft sum, sum_j exp(-length_j), is 1. One cell is centred at the
    truth.
    """
    width = _width(n)
    grid = _grid(width)
    centres = grid if model.signed else grid[len(grid) // 2 :]
    low = np.maximum(np.abs(centres) - width / 2, 0)
    high = np.minimum(np.abs(centres) + width / 2, 1)
    mass = mass_below(model.powers, high) - mass_below(model.powers, low)
    if model.signed:
        mass = np.where(centres == 0, mass, mass / 2)
    return np.clip(centres, -1, 1), -np.log(mass)


def two_part_redundancy(model: Model, n: float, means: ArrayLike) -> Array:
    """Redundancy of the two-part code of each data set: (data set,).

        min_j [ length_j + sum_i log q(x_i) / p_j(x_i) ]

    means  (data set, copies), of n samples each; the code of a coordinate is that of `codebook`
    """
    centres, lengths = codebook(model, n)
    total = np.zeros(len(np.asarray(means)))
    for mean in _columns(model, means):
        total += (_fit(n, centres, mean[:, None]) + lengths).min(1)
    return total


def regular_redundancy(model: Model, n: float, means: ArrayLike) -> Array:
    """Redundancy of the code of regular models: a uniform grid of the *parameters*, of spacing
    sqrt(2 / n), each codeword of the same length, about (d / 2) log n.  (data set,)

    means  (data set, copies), of n samples each
    """
    grid = _grid(_width(n))
    values = [np.clip(grid, -1, 1) ** power for power in model.powers]
    reached = np.unique(values[0] if len(values) == 1 else np.outer(*values))
    length = len(values) * np.log(len(grid))
    total = np.zeros(len(np.asarray(means)))
    for mean in _columns(model, means):
        above = np.clip(np.searchsorted(reached, mean), 1, len(reached) - 1)
        near = np.stack([reached[above - 1], reached[above]], axis=1)
        total += _fit(n, near, mean[:, None]).min(1) + length
    return total


def mixture_redundancy(model: Model, n: float, means: ArrayLike) -> Array:
    """Redundancy of the Bayesian mixture code of each data set: (data set,).

        -log of the mean of exp(-n [f(w)^2 / 2 - f(w) xbar]) under the prior

    by Gauss-Legendre quadrature over the parameter of the highest power, on panels that shrink
    geometrically to 0; the other, of power 1, is integrated in closed form. Shares no step with
    `codebook`.

    means  (data set, copies), of n samples each
    """
    *linear, power = sorted(model.powers)
    if linear not in ([], [1]):
        raise ValueError(f"powers: one of two must be 1, got {model.powers}")
    scale = n**0.5
    panels = int(np.ceil(2 * np.log2(scale / _NEGLIGIBLE)))
    edges = np.geomspace((_NEGLIGIBLE / scale) ** (1 / power), 1, panels + 1)
    half = np.diff(edges)[:, None] / 2
    w, weights = (edges[:-1, None] + half * (_NODES + 1)).ravel(), (half * _WEIGHTS).ravel()
    f = scale * w**power
    total = np.zeros(len(np.asarray(means)))
    for mean in _columns(model, means):
        z = scale * mean[:, None]
        if linear:
            width = np.sqrt(2 * np.pi) / (2 * f)
            likelihood = width * np.exp(z**2 / 2) * (ndtr(f - z) - ndtr(-f - z))
        else:
            back = -f if model.signed else f
            likelihood = (np.exp(f * z - f**2 / 2) + np.exp(back * z - f**2 / 2)) / 2
        total -= np.log(likelihood @ weights + edges[0])
    return total


def sample_means(
    data_sets: int, sizes: ArrayLike, *, copies: int, random: np.random.Generator
) -> Array:
    """Means of the first n samples of every data set, under the truth: (size, data set, copies).

    sizes  rising; the data of a smaller n are the first of those of a larger
    """
    n = np.asarray(sizes, dtype=float)
    added = np.diff(n, prepend=0.0)
    noise = random.standard_normal((len(n), data_sets, copies))
    return np.cumsum(added[:, None, None] ** 0.5 * noise, axis=0) / n[:, None, None]


def _width(n: float) -> float:
    if n < 2:
        raise ValueError(f"n must be at least 2, got {n}")
    return float((2 / n) ** 0.5)


def _grid(width: float) -> Array:
    """Rising multiples of `width` whose cells reach into (-1, 1); the outermost may lie beyond."""
    most = int(np.ceil(1 / width - 0.5))
    return width * np.arange(-most, most + 1, dtype=np.float64)


def _fit(n: float, means: Array, observed: Array) -> Array:
    """sum_i log q(x_i) / p(x_i) of p = N(mean, 1), from the observed mean."""
    return n * means * (means / 2 - observed)


def _columns(model: Model, means: ArrayLike) -> list[Array]:
    found = np.asarray(means, dtype=float)
    if found.ndim != 2 or found.shape[1] != model.copies:
        raise ValueError(f"means: expected (data set, {model.copies}), got {found.shape}")
    return list(found.T)

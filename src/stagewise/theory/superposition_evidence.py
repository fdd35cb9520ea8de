"""Evidence of the polygon phases of the toy model by Laplace's method, constants included."""

from math import factorial, log, pi

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import dblquad
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import norm

from stagewise.models.superposition import population_loss
from stagewise.theory.superposition import (
    parse_phase,
    polygon,
    polygon_coefficient,
    polygon_parameters,
)


def log_evidence(phase: str, c: int, n: float) -> float:
    """log of int exp(-n L) N(w; 0, 1) dw over all copies of a phase with at least five vertices.

        Z = m * v * (2 pi / n)^(q/2) det'(H)^(-1/2) (2 pi)^(-(q+1)/2) exp(-|w|^2/2) M exp(-n L)

    with q = 2 lambda directions in which L is not constant, det' the product of the Hessian's
    eigenvalues along them, m circles of equivalent polygons (an ordered choice of k of the c
    features, up to rotation) times the choices of positive biases, v = 2 pi sqrt(k) l the length
    of a circle, and M the prior mass of the chamber of the unused features with negative bias.
    The free energy of Chen et al. (2023) keeps n L, lambda log n and |w|^2 / 2 of -log Z.

    phase  "5", "5+" (one unused feature) or k = c;  n  sample size at inverse temperature 1
    """
    k, positive = parse_phase(phase)
    if k < 5 or c - k > 1:
        raise ValueError(f"no evidence by Laplace's method for {phase} in {c} features")
    W, b = polygon_parameters(k, c, positive=positive)
    kept = np.concatenate([np.full(2 * c, True), np.arange(c) < k + positive])
    w = np.concatenate([W.ravel(), b])
    q = int(2 * polygon_coefficient(k, c, positive))
    values = np.linalg.eigvalsh(_hessian(w, c))
    curved = np.sort(np.abs(values))[-q:]
    circles = factorial(c) // factorial(c - k) // k
    length = 2 * pi * np.sqrt((W**2).sum())
    chamber = 1.0 if positive == c - k else _chamber_mass(k, c)
    loss = float(population_loss(torch.from_numpy(W), torch.from_numpy(b)))
    return float(
        log(circles * length * chamber)
        + q / 2 * log(2 * pi / n)
        - np.log(curved).sum() / 2
        - (q + 1) / 2 * log(2 * pi)
        - (w[kept] ** 2).sum() / 2
        - n * loss
    )


def evidence_crossing(lower: tuple[str, ...], upper: tuple[str, ...], c: int) -> float:
    """n at which two families of phases have equal evidence by Laplace's method."""

    def difference(n: float) -> float:
        sums = [logsumexp([log_evidence(phase, c, n) for phase in side]) for side in (lower, upper)]
        return float(sums[1] - sums[0])

    return float(brentq(difference, 10.0, 1e4))


def _hessian(w: NDArray[np.float64], c: int) -> NDArray[np.float64]:
    def loss(w: torch.Tensor) -> torch.Tensor:
        return population_loss(w[: 2 * c].reshape(2, c), w[2 * c :])

    return torch.autograd.functional.hessian(loss, torch.from_numpy(w)).numpy()


def _chamber_mass(k: int, c: int) -> float:
    """Prior mass of the unused feature's column u and bias a in which the loss does not change:
    no used output is reached by u, and the unused output is reached by no feature.

        u . W_j + b_j <= 0 for all j < k,   a <= -max(0, |u|^2, max_j u . W_j)
    """
    length, bias = polygon(k, c)
    angles = 2 * pi * np.arange(k) / k
    columns = length * np.stack([np.cos(angles), np.sin(angles)])  # (2, k)

    def density(r: float, angle: float) -> float:
        u = r * np.array([np.cos(angle), np.sin(angle)])
        reach = float((u @ columns).max())
        if reach + bias > 0:
            return 0.0
        return float(norm.cdf(-max(0.0, r**2, reach)) * r * np.exp(-(r**2) / 2) / (2 * pi))

    def furthest(angle: float) -> float:
        return float(-bias / (np.cos(angle) * length))

    # one of 2 k equal wedges, between a column and the middle to the next, where u . W_0 is largest
    mass, _ = dblquad(density, 0, pi / k, 0, furthest, epsabs=1e-6)
    return 2 * k * mass

"""Toy model of superposition: the closed form, the polygons, their losses, the formula for n."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from stagewise.findings.measured import Measured, exact
from stagewise.models.superposition import population_loss
from stagewise.theory.superposition import (
    PHASES_6,
    critical_sample_size,
    every_acute_pair_leaks,
    parse_phase,
    polygon,
    polygon_coefficient,
    polygon_loss,
    polygon_parameters,
    potential,
    potential_by_integration,
)

Array = NDArray[np.float64]

PRINTED = {
    4: (1.0, 0.0),
    5: (1.17046, -0.28230),
    6: (1.32053, -0.61814),
    7: (1.44839, -0.96691),
    8: (1.55045, -1.29119),
    12: (1.03322, -0.46654),
}
"""Lengths and biases of the k-gons as printed by Chen et al. (2023)."""
PRINTED_LOSSES = {
    (6, "4"): 0.11111,
    (6, "4+"): 0.10417,
    (6, "5"): 0.06874,
    (6, "5+"): 0.06180,
    (6, "6"): 0.04819,
    (5, "4"): 0.06667,
    (5, "4+"): 0.05667,
    (5, "5"): 0.01583,
}
"""(c, phase) -> loss as printed by Chen et al. (2023)."""
ABSENT = (9, 10, 11, 13)
"""Numbers of features for which the paper reports no critical regular polygon of all of them."""
C = 6


def measure(inputs: dict[str, Any], settings: dict[str, Any]) -> tuple[pd.DataFrame, Any]:
    """Everything here is exact: no draws, no data, no seeds beyond that of the test points.

    Table: one row per phase and feature: column (x, y) and bias, loss and exact coefficient.
    """
    found: dict[str, Measured] = {}
    found |= _closed_form(points=settings["points"], seed=settings["seed"])
    found |= _polygons()
    found["printed_loss_error"] = exact(
        max(
            abs(polygon_loss(*_sizes(phase, c)) - value)
            for (c, phase), value in PRINTED_LOSSES.items()
        ),
        n=len(PRINTED_LOSSES),
    )
    gain = polygon_loss(5, C) - polygon_loss(5, C, 1)
    found["positive_bias_gain_error"] = exact(abs(gain - 1 / (4 * C**2)))
    found["transition_formula"] = exact(critical_sample_size("5", "6", C, prior=True))
    found["transition_formula_without_prior"] = exact(
        critical_sample_size("5", "6", C, prior=False)
    )
    found["control_transition_formula_halved_loss"] = exact(_halved_transition())
    return _table(), found


def _sizes(phase: str, c: int) -> tuple[int, int, int]:
    k, positive = parse_phase(phase)
    return k, c, positive


def _torch_loss(W: Array, b: Array) -> float:
    return float(population_loss(torch.from_numpy(W), torch.from_numpy(b)))


def _closed_form(*, points: int, seed: int) -> dict[str, Measured]:
    """Largest relative difference to the integrated loss at random points, c = 4, ..., 8.

    Control: the median error of the polynomial that holds where every output is active
    everywhere.
    """
    random = np.random.default_rng(seed)
    errors, without_cases = [], []
    for place in range(points):
        c = 4 + place % 5
        W, b = random.normal(size=(2, c)), 0.5 * random.normal(size=c)
        reference = potential_by_integration(W, b)
        errors += [abs(form(W, b) / reference - 1) for form in (potential, _torch_loss)]
        gram = W.T @ W - np.eye(c)
        always = (gram**2 / 3 + gram * b + b**2).sum() / c
        without_cases.append(abs(always / reference - 1))
    return {
        "closed_form_error": exact(max(errors), n=points),
        "control_closed_form_error_without_cases": exact(float(np.median(without_cases)), n=points),
    }


def _slope(W: Array, b: Array) -> float:
    """Norm of all r c + c derivatives of the population loss."""
    tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in (W, b)]
    derivatives = torch.autograd.grad(population_loss(*tensors), tensors)
    return float(torch.cat([d.flatten() for d in derivatives]).norm())


def _polygons() -> dict[str, Measured]:
    cases = [
        polygon_parameters(k, c, positive=positive)
        for k in range(4, 9)
        for c in range(k, 9)
        for positive in range(c - k + 1)
    ]
    shrunk = [(0.98 * W, b) for W, b in cases]
    existing = [c for c in ABSENT if _slope(*polygon_parameters(c, c)) < 1e-12]
    return {
        "polygon_gradient": exact(max(_slope(*w) for w in cases), n=len(cases)),
        "control_polygon_gradient_shrunk": exact(min(_slope(*w) for w in shrunk), n=len(cases)),
        "polygon_table_error": exact(
            max(
                float(np.abs(np.subtract(polygon(k, k), value)).max())
                for k, value in PRINTED.items()
            ),
            n=len(PRINTED),
        ),
        "polygon_minimised_error": exact(
            max(float(np.abs(polygon(k, k) - _minimised(k)).max()) for k in range(5, 9)), n=4
        ),
        "polygon_smallest_curvature": exact(
            min(_smallest_curvature(phase) for phase in ("5", "5+", "6")), n=3
        ),
        "absent_polygons_existing": exact(len(existing), n=len(ABSENT)),
        "absent_polygons_leaking": exact(
            sum(every_acute_pair_leaks(c, c) for c in ABSENT), n=len(ABSENT)
        ),
        "present_polygons_leaking": exact(
            sum(every_acute_pair_leaks(c, c) for c in PRINTED if c > 4), n=len(PRINTED) - 1
        ),
    }


def _minimised(k: int) -> Array:
    """Length and bias that minimise the loss of the regular k-gon in k features."""
    unit, _ = polygon_parameters(k, k)
    unit = unit / np.linalg.norm(unit[:, 0])

    def loss(x: Array) -> float:
        return potential(x[0] * unit, np.full(k, x[1]))

    start = np.array([1.2, -0.5])
    found = minimize(
        loss,
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-16, "maxiter": 4000},
    )
    return np.asarray(found.x)


def _smallest_curvature(phase: str) -> float:
    """Smallest Hessian eigenvalue after as many flat directions as the exact coefficient has.

    The flat directions have eigenvalues of rounding size; they are the smallest in magnitude.
    """
    k, c, positive = _sizes(phase, C)
    W, b = polygon_parameters(k, c, positive=positive)
    size = W.size

    def loss(w: torch.Tensor) -> torch.Tensor:
        return population_loss(w[:size].reshape(W.shape), w[size:])

    w = torch.from_numpy(np.concatenate([W.ravel(), b]))
    hessian = torch.autograd.functional.hessian(loss, w).numpy()
    values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    flat = len(w) - int(2 * polygon_coefficient(k, c, positive))
    return float(values[np.argsort(np.abs(values))[flat:]].min())


def _halved_transition() -> float:
    """The larger root of the 5 -> 6 condition if the loss were |x - f(x)|^2 / 2.

    Same equation as `critical_sample_size` with prior; fixed point from above, contracting.
    """
    (k_a, _, p_a), (k_b, _, p_b) = _sizes("5", C), _sizes("6", C)
    fall = (polygon_loss(k_a, C, p_a) - polygon_loss(k_b, C, p_b)) / 2
    coefficient = float(polygon_coefficient(k_b, C) - polygon_coefficient(k_a, C))
    norms = [
        sum(float((part**2).sum()) for part in (W, b[:k])) / 2
        for k in (5, 6)
        for W, b in [polygon_parameters(k, C)]
    ]
    n = 1e5
    for _ in range(200):
        n = (coefficient * np.log(n) + norms[1] - norms[0]) / fall
    return float(n)


def _table() -> pd.DataFrame:
    rows = []
    for phase in PHASES_6:
        k, c, positive = _sizes(phase, C)
        W, b = polygon_parameters(k, c, positive=positive)
        for feature in range(c):
            rows.append(
                {
                    "phase": phase,
                    "vertices": k,
                    "feature": feature,
                    "x": W[0, feature],
                    "y": W[1, feature],
                    "bias": b[feature],
                    "loss": polygon_loss(k, c, positive),
                    "coefficient": float(polygon_coefficient(k, c, positive)),
                }
            )
    return pd.DataFrame(rows)

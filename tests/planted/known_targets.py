"""Samplers, found by listing their folder, on targets of exactly known value."""

import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

import stagewise.samplers
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.theory.langevin import (
    sghmc_variance,
    sgld_variance,
    sgnht_variances,
)

NOT_GENERAL = {
    "target": "the interface",
    "options": "settings of all samplers",
    "metropolis": "a part of samplers",
    "noiseless": "a control without noise: it descends and samples nothing",
    "deep_linear_gibbs": "knows the conditional distributions of one model family",
}
ADAPTIVE = {"adam_sgld", "rmsprop_sgld"}
"""Not exact at any step size; test_adaptive_samplers.py."""
OPTIONS = {"parallel_tempering": {"temperatures": 3, "lowest": 0.2}, "hmc": {"leapfrog": 3}}
"""Cheaper than the defaults; everything else runs as it stands."""
STEP = {"mala": 1.0, "parallel_tempering": 1.0, "hmc": 1.0}
"""Step size in units of the stiffest curvature, 0.3 for the others: adjusted samplers are exact at
any step and move faster with a large one."""
FRICTION = 0.1
"""The default."""
UNADJUSTED: dict[str, Callable[[list[float], float], Iterable[float]]] = {
    "sgld": lambda precisions, step: [sgld_variance(p, step) for p in precisions],
    "sghmc": lambda precisions, step: [sghmc_variance(p, step, FRICTION) for p in precisions],
    "sgnht": lambda precisions, step: sgnht_variances(precisions, step, FRICTION),
}
"""Stationary variances on quadratics of given precisions, at a finite step; all other samplers
have no bias."""
LOOSE = {"sgnht": 0.03}
"""Relative error allowed beside the statistical one: the closed form of SGNHT neglects that its
friction fluctuates, which in a handful of dimensions it does."""


def quadratic_excess(
    kernel: ModuleType, curvatures: Iterable[float], n_beta: float, step: float
) -> float:
    """n beta E[L] with gamma = 1, as this sampler gives it."""
    curvatures = list(curvatures)
    precisions = [n_beta * h + 1 for h in curvatures]
    exact: Callable[..., Iterable[float]] = lambda precisions, _: [1 / p for p in precisions]  # noqa: E731
    variances = UNADJUSTED.get(short(kernel), exact)(precisions, step)
    return sum(n_beta * h / 2 * v for h, v in zip(curvatures, variances, strict=True))


def general_samplers() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(stagewise.samplers.__path__)]
    return [import_module(f"stagewise.samplers.{n}") for n in names if n not in NOT_GENERAL]


def short(kernel: ModuleType) -> str:
    return kernel.__name__.rsplit(".", 1)[1]


SAMPLERS = [kernel for kernel in general_samplers() if short(kernel) not in ADAPTIVE]
every_sampler = pytest.mark.parametrize("kernel", SAMPLERS, ids=short)


def run(kernel: ModuleType, testbed: Testbed, *, seed: int = 1, **changes: Any) -> xr.Dataset:
    name = short(kernel)
    settings: dict[str, Any] = {
        "kernel": name,
        "n": [100.0],
        "localization": 1.0,
        "epsilon": STEP.get(name, 0.3),
        "epsilon_unit": "curvature",
        "steps": 3000,
        "burn_in": 600,
        "thin": 4,
        "chains": 64,
        "options": OPTIONS.get(name, {}),
    }
    assert testbed.points is not None
    return sample(
        testbed,
        testbed.points(),
        kernel,
        Sampling(**(settings | changes)),
        seed=seed,
        report=silent,
    )


def quadratics(
    hessians: Tensor, centre: Tensor | None = None, mask: Tensor | None = None
) -> Testbed:
    """L(w) = (1/2) (w - w*)^T H (w - w*) for each H (checkpoint, d, d); curvature 1 is the unit."""
    count, d, _ = hessians.shape
    centre = torch.zeros(count, d, dtype=torch.float64) if centre is None else centre
    index = pd.DataFrame({"step": [0] * count, "curvature": [1.0] * count})

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        away = w["w"] - constants["centre"]
        return (away @ constants["hessian"] @ away)[None] / 2

    constants = {"hessian": hessians, "centre": centre}
    points = Points({"w": centre}, index, constants, {} if mask is None else {"w": mask})
    return Testbed(name="quadratics", losses=losses, points=lambda: points)


def check(
    estimates: xr.Dataset, truths: list[float], *, relative: float, bias: float = 0.0
) -> None:
    """Within `relative` of the truth, and within `bias` and four standard errors.

    Four: one target in 16 000 fails by chance, and seeds are fixed.
    """
    found = estimates.lambda_hat.values.ravel()
    error = estimates.standard_error.values.ravel()
    truth = np.array(truths)
    assert (error < relative * truth / 2).all(), "too noisy to test anything"
    np.testing.assert_array_less(np.abs(found - truth), 4 * error + bias * truth)
    np.testing.assert_array_less(np.abs(found / truth - 1), relative + bias)

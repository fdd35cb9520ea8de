"""The restricted posterior of a quadratic against integration, recursion and the sampler."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import local_learning_coefficient
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.theory.refined_llc import head_bound, interaction, largest_drift, refined_llc

NBETA, GAMMA = 40.0, 7.0


def hessian(size: int, seed: int = 0) -> NDArray[np.float64]:
    """Positive, of eigenvalues from 0.05 to 3, without any structure."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(size, size)))[0]
    found: NDArray[np.float64] = turn * np.geomspace(0.05, 3, size) @ turn.T
    return found


@pytest.mark.parametrize("gradient", [[0.0, 0, 0], [0.1, -0.2, 0.15]])
def test_estimate_is_the_mean_over_a_grid(gradient: list[float]) -> None:
    """Of the two coordinates of the component; the third is held."""
    H, g = hessian(3), np.array(gradient)
    axis = np.linspace(-4, 4, 801)
    d = np.stack(np.meshgrid(axis, [0.0], axis, indexing="ij"), axis=-1).reshape(-1, 3)
    loss = d @ g + ((d @ H) * d).sum(1) / 2
    log_weight = -NBETA * loss - GAMMA / 2 * (d**2).sum(1)
    weight = np.exp(log_weight - log_weight.max())
    expected = NBETA * (weight @ loss) / weight.sum()
    found = refined_llc(H, n_beta=NBETA, localization=GAMMA, gradient=g, component=[0, 2])
    assert found.total == pytest.approx(expected, rel=1e-9)
    assert (found.drift < 0) == bool(g.any())


def test_step_size_changes_the_spread_and_not_the_drift() -> None:
    """Against the fixed point of the recursion's mean and covariance."""
    H, g, epsilon = hessian(4), np.array([0.1, 0.0, -0.2, 0.3]), 0.01
    precision = NBETA * H + GAMMA * np.eye(4)
    contraction = np.eye(4) - epsilon / 2 * precision
    mean, covariance = np.zeros(4), np.zeros((4, 4))
    for _ in range(4000):
        mean = contraction @ mean - epsilon / 2 * NBETA * g
        covariance = contraction @ covariance @ contraction.T + epsilon * np.eye(4)
    expected = NBETA * (g @ mean + mean @ H @ mean / 2 + np.trace(H @ covariance) / 2)
    options: dict[str, Any] = {"n_beta": NBETA, "localization": GAMMA, "gradient": g}
    stepped, exact = refined_llc(H, epsilon=epsilon, **options), refined_llc(H, **options)
    assert stepped.total == pytest.approx(expected, rel=1e-10)
    assert stepped.drift == exact.drift
    assert stepped.fluctuation > 1.01 * exact.fluctuation


def test_drift_is_bounded_by_that_of_a_flat_direction() -> None:
    g = np.array([0.3, 0.4, 0.0])
    bound = float(largest_drift(0.5, n_beta=NBETA, localization=GAMMA))
    flat = refined_llc(np.zeros((3, 3)), n_beta=NBETA, localization=GAMMA, gradient=g)
    assert (flat.fluctuation, flat.drift) == (0, pytest.approx(-bound))
    curved = refined_llc(hessian(3), n_beta=NBETA, localization=GAMMA, gradient=g)
    assert -bound < curved.drift < 0
    half = (5**0.5 - 1) / 2 * GAMMA / NBETA * np.eye(3)
    one = refined_llc(half, n_beta=NBETA, localization=GAMMA, gradient=g)
    assert one.drift == pytest.approx(flat.drift / 2)


@pytest.mark.parametrize("seed", range(5))
def test_restriction_lowers_and_halves_of_the_dimension_bound(seed: int) -> None:
    H = hessian(9, seed)

    def of(places: list[int]) -> float:
        return refined_llc(H, n_beta=NBETA, localization=GAMMA, component=places).total

    head, layer, everything = of([1, 2]), of([1, 2, 5, 6]), of(list(range(9)))
    assert 0 < head < layer < everything < 9 / 2
    assert head < 1
    stiff = refined_llc(H, n_beta=1e9, localization=GAMMA, component=[1, 2]).total
    assert stiff == pytest.approx(1, rel=1e-6)


def test_negative_curvature_breaks_monotonicity() -> None:
    """The order is a property of minima: at a saddle a part can exceed the whole."""
    H = np.diag([1.0, -0.1])
    whole = refined_llc(H, n_beta=NBETA, localization=GAMMA).total
    assert refined_llc(H, n_beta=NBETA, localization=GAMMA, component=[0]).total > whole


def test_interaction_is_negative_and_needs_a_block_between() -> None:
    H = hessian(6)
    options: dict[str, Any] = {"n_beta": NBETA, "localization": GAMMA}
    assert interaction(H, [0, 1], [2, 3, 4], **options) < 0
    apart = H.copy()
    apart[:3, 3:] = apart[3:, :3] = 0
    assert interaction(apart, [0, 1, 2], [3, 4, 5], **options) == pytest.approx(0, abs=1e-12)
    weak = interaction(H, [0, 1], [2, 3, 4], n_beta=1e-3, localization=1.0)
    between = (H[:2, 2:5] ** 2).sum()
    assert weak == pytest.approx(-1e-6 * between, rel=0.01)


def test_head_bound_counts_the_exact_symmetries() -> None:
    """Rank of the map from a head's weights to its two products, W_Q W_K^T and W_V W_O."""
    width, size, stream = 5, 2, torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(width, size, generator=stream).double() for _ in range(3))
    out = torch.randn(size, width, generator=stream).double()

    def products(q: Any, k: Any, v: Any, o: Any) -> torch.Tensor:
        return torch.cat([(q @ k.T).flatten(), (v @ o).flatten()])

    slopes = torch.autograd.functional.jacobian(products, (query, key, value, out))
    rank = torch.linalg.matrix_rank(torch.cat([s.flatten(1) for s in slopes], dim=1))
    assert int(rank) / 2 == head_bound(width, size)
    assert head_bound(width, size) < 4 * width * size / 2


BLOCKS = {"small": [0, 3], "large": [1, 2, 4, 5, 6], "all": list(range(7))}


def sampled(gradient: NDArray[np.float64]) -> dict[str, float]:
    """Estimates of the components of one quadratic, by the engine."""
    H, g = torch.from_numpy(hessian(7)), torch.from_numpy(gradient)

    def losses(w: Any, constants: Any, batch: Any) -> torch.Tensor:
        return (w["w"] @ g + w["w"] @ H @ w["w"] / 2)[None]

    masks = {name: torch.zeros(7, dtype=torch.bool) for name in ("small", "large")}
    for name, mask in masks.items():
        mask[BLOCKS[name]] = True
    points = Points({"w": torch.zeros(1, 7).double()}, pd.DataFrame({"step": [0]}))
    testbed = Testbed("quadratic", losses, components={k: {"w": m} for k, m in masks.items()})
    sampling = Sampling(
        kernel="sgld", n=[NBETA], beta=1.0, localization=GAMMA, epsilon=4e-3,
        steps=2000, burn_in=400, chains=64, components=list(BLOCKS), execution="eager",
    )  # fmt: skip
    draws = sample(testbed, points, sgld, sampling, seed=1, report=silent)
    found = local_learning_coefficient(draws).lambda_hat
    return {name: float(found.sel(component=name).squeeze()) for name in BLOCKS}


@pytest.mark.parametrize(("slope", "tolerance"), [(0.0, 0.05), (0.3, 0.1)])
def test_sampler_meets_the_formula_for_every_block(slope: float, tolerance: float) -> None:
    gradient = slope * np.random.default_rng(2).normal(size=7)
    for name, estimate in sampled(gradient).items():
        expected = refined_llc(
            hessian(7),
            n_beta=NBETA,
            localization=GAMMA,
            gradient=gradient,
            component=BLOCKS[name],
            epsilon=4e-3,
        )
        assert estimate == pytest.approx(expected.total, rel=tolerance), name
        assert abs(expected.drift) > expected.fluctuation or not slope

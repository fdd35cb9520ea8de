"""Curvatures without a Hessian against dense Hessians."""

from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from stagewise.engine.curvature import hessian_trace, largest_curvature
from stagewise.engine.posteriors import posteriors
from stagewise.engine.program import Program
from stagewise.engine.sampling import Sampling
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed


def quadratics(hessians: Tensor) -> Program:
    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (w["w"] @ constants["h"] @ w["w"])[None] / 2

    shapes = {"w": (hessians.shape[-1],)}
    return Program(losses, shapes, {"h": hessians}, rows=len(hessians))


def random_hessians(count: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Symmetric, with eigenvalues of both signs."""
    stream = torch.Generator().manual_seed(seed)
    square = torch.randn(count, d, d, generator=stream, dtype=torch.float64)
    return (square + square.mT).to(dtype)


@pytest.mark.parametrize(("dtype", "slack"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_largest_of_random_quadratics(dtype: torch.dtype, slack: float) -> None:
    """Never above the truth (up to rounding); below it by at most 5 per cent: 60 products shrink
    the others by (second / first)^60, and a value between close eigenvalues is close to both."""
    hessians = random_hessians(20, 8, 0, dtype)
    position = torch.zeros(20, 8, dtype=dtype)
    stream = torch.Generator().manual_seed(1)
    found = largest_curvature(
        quadratics(hessians), position, {}, torch.ones_like(position), stream=stream
    )
    truth = torch.linalg.eigvalsh(hessians.double()).abs().max(1).values
    ratio = found.double() / truth
    assert (ratio <= 1 + slack).all()
    assert (ratio > 0.95).all()
    assert found.dtype == dtype


def test_mask_restricts_and_rows_do_not_matter_to_each_other() -> None:
    hessians = random_hessians(6, 5, 2)
    mask = torch.tensor([[1.0, 1, 0, 1, 0]], dtype=torch.float64).expand(6, 5)
    position = torch.ones(6, 5, dtype=torch.float64)

    def largest(rows: slice) -> Tensor:
        stream = torch.Generator().manual_seed(3)
        program = quadratics(hessians[rows])
        return largest_curvature(
            program, position[rows], {}, mask[rows], stream=stream, iterations=2000
        )

    kept = mask[0] > 0
    blocks = hessians[:, kept][:, :, kept]
    truth = torch.linalg.eigvalsh(blocks).abs().max(1).values
    # 2000 products: converged wherever the two largest differ by a few per mille
    torch.testing.assert_close(largest(slice(None)), truth, rtol=1e-6, atol=0)
    torch.testing.assert_close(largest(slice(None))[2:4], largest(slice(2, 4)), rtol=1e-12, atol=0)


def test_flat_loss_has_no_curvature() -> None:
    position = torch.zeros(2, 3, dtype=torch.float64)
    program = quadratics(torch.zeros(2, 3, 3, dtype=torch.float64))
    stream = torch.Generator().manual_seed(0)
    found = largest_curvature(program, position, {}, torch.ones_like(position), stream=stream)
    assert torch.equal(found, torch.zeros(2, dtype=torch.float64))


def mlp(dtype: torch.dtype) -> tuple[Program, Tensor, dict[str, Tensor], Tensor]:
    """A tanh network, two random points, its data, and dense Hessians."""
    stream = torch.Generator().manual_seed(4)
    data = {
        "x": torch.randn(10, 3, generator=stream, dtype=torch.float64),
        "y": torch.randn(10, generator=stream, dtype=torch.float64),
    }
    position = torch.randn(2, 16, generator=stream, dtype=torch.float64)

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (torch.tanh(batch["x"] @ w["V"].T) @ w["u"] - batch["y"]).square()

    def mean(point: Tensor) -> Tensor:
        w = {"V": point[:12].reshape(4, 3), "u": point[12:]}
        return losses(w, {}, data).mean()

    hessians = torch.stack([torch.autograd.functional.hessian(mean, p) for p in position])
    program = Program(losses, {"V": (4, 3), "u": (4,)}, {}, rows=2)
    return program, position.to(dtype), {k: v.to(dtype) for k, v in data.items()}, hessians


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-4), (torch.float32, 1e-3)])
def test_largest_of_a_network(dtype: torch.dtype, rtol: float) -> None:
    program, position, data, hessians = mlp(dtype)
    stream = torch.Generator().manual_seed(5)
    ones = torch.ones_like(position)
    found = largest_curvature(program, position, data, ones, stream=stream, iterations=300)
    truth = torch.linalg.eigvalsh(hessians).abs().max(1).values
    torch.testing.assert_close(found.double(), truth, rtol=rtol, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_trace_is_unbiased_and_knows_its_error(dtype: torch.dtype) -> None:
    """Over 200 repeats of 8 probes: the mean within four standard errors of the dense trace, and
    the mean squared error it reports within 25 per cent of the true one (2.5 times the standard
    error of a variance from 200 values, sqrt(2 / 200) = 10 per cent)."""
    program, position, data, hessians = mlp(dtype)
    mask = torch.ones_like(position)
    mask[:, ::3] = 0
    truth = (hessians.diagonal(dim1=1, dim2=2) * mask).sum(1)
    found, errors = [], []
    for seed in range(200):
        stream = torch.Generator().manual_seed(seed)
        value, error = hessian_trace(program, position, data, mask, stream=stream, probes=8)
        found.append(value.double())
        errors.append(error.double())
    values = torch.stack(found)
    spread = values.std(0)
    assert ((values.mean(0) - truth).abs() < 4 * spread / 200**0.5).all()
    reported = torch.stack(errors).square().mean(0).sqrt()
    assert ((reported / spread - 1).abs() < 0.25).all()


def test_trace_of_a_diagonal_is_exact() -> None:
    hessians = torch.diag_embed(torch.tensor([[1.0, -2.0, 4.0]], dtype=torch.float64))
    stream = torch.Generator().manual_seed(0)
    position = torch.zeros(1, 3, dtype=torch.float64)
    mask = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64)
    value, error = hessian_trace(quadratics(hessians), position, {}, mask, stream=stream, probes=4)
    assert value.item() == pytest.approx(-1.0, rel=1e-12)
    assert error.item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("memory", [1 << 28, 4000, 1])
def test_posteriors_measure_it_within_their_memory(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All checkpoints at once, some, or one with its data in pieces: the same steps."""
    monkeypatch.setattr("stagewise.engine.posteriors.PIECE", memory)
    stream = torch.Generator().manual_seed(0)
    data = {"x": torch.randn(29, 3, generator=stream, dtype=torch.float64)}
    weights = {"w": torch.randn(5, 3, generator=stream, dtype=torch.float64)}
    points = Points(weights, pd.DataFrame({"step": range(5)}))

    def losses(w: Any, constants: Any, batch: Any) -> Tensor:
        return (batch["x"] @ w["w"]) ** 4

    testbed = Testbed("quartic", losses, data, points=lambda: points)
    sampling = Sampling(
        kernel="sgld", n=[10.0], localization=1.0, epsilon="auto",
        steps=4, burn_in=2, chains=1,
    )  # fmt: skip
    found = posteriors(testbed, points, sgld, sampling, seed=0).curvature[:, 0]
    inner = weights["w"] @ data["x"].T
    hessians = torch.einsum("rs,si,sj->rij", 12 * inner**2, data["x"], data["x"]) / 29
    truth = torch.linalg.eigvalsh(hessians).max(1).values
    torch.testing.assert_close(found, truth, rtol=1e-3, atol=0)

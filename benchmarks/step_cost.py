"""What one step of SGLD costs: the engine against the bare gradient of the same models.

    python benchmarks/step_cost.py

prints and writes benchmarks/step_cost.csv, one row a workload:

    us_per_step       microseconds of a step of all chains, recording every tenth draw
    us_per_chain      the same, divided by the chains
    bare_gradient_us  losses and gradients of all chains alone, already traced
    ratio             us_per_step / bare_gradient_us: what the engine adds
    noise_us          of us_per_step, for drawing the noise

Processor time, medians over interleaved repeats, so that a slow moment falls on all alike; one
thread.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from stagewise.engine.chains import Chains
from stagewise.engine.noise import BLOCK, normal_block
from stagewise.engine.posteriors import posteriors
from stagewise.engine.sampling import Sampling
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed

CHAINS = 64
REPEATS = 15
BLOCKS = 4
"""Blocks of steps in one repeat."""


def testbed(
    losses: Callable[..., Tensor], shapes: dict[str, tuple[int, ...]], x: Tensor
) -> Testbed:
    """A testbed at one small random point."""
    stream = torch.Generator().manual_seed(1)
    weights = {
        name: 0.1 * torch.randn(1, *shape, generator=stream, dtype=x.dtype)
        for name, shape in shapes.items()
    }
    points = Points(weights, pd.DataFrame({"step": [0]}))
    return Testbed(name="workload", losses=losses, data={"x": x}, points=lambda: points)


def toy_model(w: Any, constants: Any, batch: Any) -> Tensor:
    """Superposition: x -> relu(W^T W x + b)."""
    out = torch.relu(batch["x"] @ w["W"].T @ w["W"] + w["b"])
    return (out - batch["x"]).square().sum(-1)


def deep_linear(w: Any, constants: Any, batch: Any) -> Tensor:
    """Four square factors, regression on the input itself."""
    out = batch["x"]
    for factor in w["W"].unbind(0):
        out = out @ factor
    return (out - batch["x"]).square().sum(-1) / 2


def mlp(w: Any, constants: Any, batch: Any) -> Tensor:
    """One hidden layer of relu, reconstruction."""
    hidden = torch.relu(batch["x"] @ w["A"] + w["a"])
    return (hidden @ w["B"] + w["b"] - batch["x"]).square().mean(-1)


def workloads() -> dict[str, Testbed]:
    """Each with its data, by name."""
    stream = torch.Generator().manual_seed(0)

    def data(samples: int, width: int) -> Tensor:
        return torch.rand(samples, width, generator=stream)

    return {
        "toy model": testbed(toy_model, {"W": (10, 18), "b": (18,)}, data(64, 18)),
        "deep linear": testbed(deep_linear, {"W": (4, 10, 10)}, data(64, 10)),
        "mlp": testbed(mlp, {"A": (16, 32), "a": (32,), "B": (32, 16), "b": (16,)}, data(128, 16)),
    }


def timed(call: Callable[[], object], steps: int) -> float:
    """Microseconds of processor time a step: waiting for other processes does not count."""
    started = time.process_time()
    call()
    return (time.process_time() - started) / steps * 1e6


def calls(bed: Testbed) -> tuple[dict[str, Callable[[], None]], int]:
    """What is timed, each for BLOCKS blocks of steps, and the number of parameters."""
    sampling = Sampling(
        kernel="sgld",
        steps=BLOCK * BLOCKS * (REPEATS + 1),
        burn_in=0,
        thin=10,
        chains=CHAINS,
        localization=1.0,
        epsilon=1e-5,
    )
    assert bed.points is not None
    found = posteriors(bed, bed.points(), sgld, sampling, seed=0)
    rows = torch.cartesian_prod(torch.zeros(1).long(), torch.zeros(1).long(), torch.arange(CHAINS))
    target, program = found.target(rows)
    keys = [(0, found.sizes[0], chain) for chain in range(CHAINS)]
    chains = Chains(sgld, target, program, bed.data, sampling, seed=0, keys=keys)
    streams = [torch.Generator().manual_seed(chain) for chain in range(CHAINS)]
    size = target.centre.shape[1]

    def steps() -> None:
        for _ in range(BLOCKS):
            chains.advance()

    def gradients() -> None:
        for _ in range(BLOCKS * BLOCK):
            program.loss_and_gradient(target.centre, bed.data)

    def noise() -> None:
        for _ in range(BLOCKS):
            normal_block(streams, BLOCK, size, target.centre.dtype)

    return {"step": steps, "gradient": gradients, "noise": noise}, size


def measured() -> pd.DataFrame:
    """The table."""
    prepared = {name: calls(bed) for name, bed in workloads().items()}
    found: dict[tuple[str, str], list[float]] = {}
    for repeat in range(REPEATS + 1):
        for name, (things, _) in prepared.items():
            for what, call in things.items():
                cost = timed(call, BLOCKS * BLOCK)
                if repeat:  # the first is for tracing and warm caches
                    found.setdefault((name, what), []).append(cost)
    rows = []
    for name, (_, size) in prepared.items():
        step, gradient = median(found[name, "step"]), median(found[name, "gradient"])
        rows.append(
            {
                "workload": name,
                "chains": CHAINS,
                "parameters": size,
                "us_per_step": round(step),
                "us_per_chain": round(step / CHAINS, 2),
                "bare_gradient_us": round(gradient),
                "ratio": round(step / gradient, 2),
                "noise_us": round(median(found[name, "noise"])),
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    table = measured()
    table.to_csv(Path(__file__).with_suffix(".csv"), index=False)
    print(table.to_string(index=False))

"""Chains on another device than the processor.

Without a GPU the steps run on tensors that have a shape and another device, but no values: an
operation that mixes devices, or a constant that stayed behind, fails as it would on a GPU.
"""

from importlib import import_module
from typing import Any

import pandas as pd
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from stagewise.engine.chains import Chains
from stagewise.engine.posteriors import posteriors
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points

GAUSSIAN = ("gaussian", {"count": 2, "dimensions": [3, 3]})
LINEAR = ("deep_linear", {"points": "balanced", "networks": 2, "widths": [2, 4]})
LEARNED = ("deep_linear", {"architectures": [[3, 3, 3]], "target": [2.0, 1.0], "widths": [2, 3]})
LINEAR_DATA = ("deep_linear", {"points": "generic", "networks": 2, "widths": [2, 4], "samples": 50})
CASES = [
    ("sgld", GAUSSIAN, {}),
    ("rmsprop_sgld", GAUSSIAN, {"options": {"freeze": 4}}),
    ("adam_sgld", GAUSSIAN, {}),
    ("sghmc", GAUSSIAN, {}),
    ("sgnht", GAUSSIAN, {}),
    ("mala", LINEAR, {}),
    ("hmc", ("relu_rescaling", {"teachers": 1}), {"options": {"leapfrog": 2}}),
    ("sgld", LINEAR_DATA, {"batch": 4}),
    ("sgld", LEARNED, {}),
    ("sgld", ("digits_mlp", {"train": 50}), {"batch": 4}),
    ("sgld", ("polynomial", {"kind": "monomial", "potentials": [{"k": [1, 2]}]}), {}),
    ("parallel_tempering", ("superposition", {"points": ["4"]}), {"options": {"temperatures": 3}}),
    ("mala", ("superposition", {"points": ["4"], "samples": [50], "data_sets": 2}), {}),
]
# not block Gibbs: it looks at values, to pass over layers that are only padding


def case(kernel: str, bed: tuple[str, dict[str, Any]], changes: dict[str, Any]) -> Any:
    name, model = bed
    testbed = import_module(f"stagewise.testbeds.{name}").build(model, 0)
    settings: dict[str, Any] = {
        "kernel": kernel,
        "n": [50.0],
        "localization": 1.0,
        "epsilon": 1e-3,
        "steps": 10,
        "burn_in": 0,
        "chains": 2,
    }
    sampling = Sampling(**(settings | changes))
    if testbed.points is not None:
        points = testbed.points()
    else:
        weights = testbed.initial(torch.Generator().manual_seed(0))
        points = Points({n: t[None] for n, t in weights.items()}, pd.DataFrame({"step": [0]}))
    return testbed, points, import_module(f"stagewise.samplers.{kernel}"), sampling


@pytest.mark.parametrize(("kernel", "bed", "changes"), CASES)
def test_a_step_elsewhere(
    kernel: str, bed: tuple[str, dict[str, Any]], changes: dict[str, Any]
) -> None:
    testbed, points, module, sampling = case(kernel, bed, changes)
    found = posteriors(testbed, points, module, sampling, seed=0)
    chains = Chains(module, found, found.grid, seed=0, places=torch.arange(len(points)))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:

        def moved(value: Any) -> Any:
            return torch.empty_like(mode.from_tensor(value), device="meta")

        state, noise, picked, rows = chains.example()
        elsewhere = type(found)(
            **(vars(found) | {"testbed": testbed.on("meta"), "points": points.on("meta")})
        )
        after, info = elsewhere.move(module)(
            type(state)(*map(moved, state)),
            moved(noise),
            None if picked is None else moved(picked),
            {name: moved(tensor) for name, tensor in rows.items()},
        )
        results = [*after, *(value for value in info if value is not None)]
    assert {tensor.device.type for tensor in results} == {"meta"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_absent() -> None:
    testbed, points, module, _ = case("sgld", GAUSSIAN, {})
    sampling = case("sgld", GAUSSIAN, {"device": "cuda"})[3]
    with pytest.raises(SettingsError, match="device: cuda was asked for"):
        sample(testbed, points, module, sampling, seed=0, report=silent)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("kernel", "bed", "changes"), CASES)
def test_the_same_draws(
    kernel: str, bed: tuple[str, dict[str, Any]], changes: dict[str, Any]
) -> None:
    found = []
    for device in ("cpu", "cuda"):
        testbed, points, module, sampling = case(kernel, bed, changes | {"device": device})
        found.append(sample(testbed, points, module, sampling, seed=0, report=silent))
    torch.testing.assert_close(
        *(torch.tensor(draws.excess_loss.values) for draws in found), rtol=1e-4, atol=1e-6
    )

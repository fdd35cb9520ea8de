"""Products in bfloat16: the same estimate within its error, compiled or not."""

from typing import Any

import pandas as pd
import pytest
import torch
import xarray as xr

from stagewise.engine import half_products, program
from stagewise.engine.machine_code import compiler
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.estimators.llc import local_learning_coefficient
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.settings import SettingsError
from stagewise.testbeds import digits_mlp, gaussian, synthetic_language
from stagewise.testbeds.testbed import Points


def run(**changes: Any) -> xr.Dataset:
    testbed = digits_mlp.build({"hidden": [16], "train": 300}, 0)
    assert testbed.initial is not None
    weights = testbed.initial(torch.Generator().manual_seed(0))
    points = Points({n: t[None] for n, t in weights.items()}, pd.DataFrame({"step": [0]}))
    settings: dict[str, Any] = {
        "kernel": "sgld",
        "n": [300.0],
        "localization": 100.0,
        "epsilon": 2e-4,
        "steps": 600,
        "burn_in": 200,
        "chains": 8,
        "batch": 64,
    }
    sampling = Sampling(**(settings | changes))
    return sample(testbed, points, sgld, sampling, seed=1, report=silent)


def test_the_estimate_is_the_same_within_its_error() -> None:
    full, half = run(), run(precision="bfloat16")
    assert (full.excess_loss != half.excess_loss).any()
    one, other = (local_learning_coefficient(draws).squeeze() for draws in (full, half))
    apart = abs(float(one.lambda_hat - other.lambda_hat))
    assert apart < float(one.standard_error)
    assert apart < 0.02 * abs(float(one.lambda_hat))


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
def test_compiled_or_not() -> None:
    eager, compiled = (run(precision="bfloat16", execution=how) for how in ("eager", "compiled"))
    ratio = float(eager.excess_loss.mean() / compiled.excess_loss.mean())
    assert ratio == pytest.approx(1, abs=0.01)


def test_double_precision_models_are_refused() -> None:
    testbed = gaussian.build({"count": 1, "dimensions": [2, 2]}, 0)
    assert testbed.points is not None
    sampling = Sampling(
        kernel="sgld",
        n=[99.0],
        steps=5,
        burn_in=0,
        chains=1,
        localization=1.0,
        epsilon=0.1,
        precision="bfloat16",
    )
    with pytest.raises(SettingsError, match=r"precision: bfloat16 .* gaussian are float64"):
        sample(testbed, testbed.points(), sgld, sampling, seed=0, report=silent)


@pytest.mark.skipif(not half_products.usable(), reason="no products in bfloat16 here")
def test_losses_are_compared_with_those_of_the_same_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A table of losses at the centre by other kernels would be off by their rounding, which is
    what the loss rises by in a hundred steps."""
    monkeypatch.setattr("stagewise.engine.execution.multiplies", lambda *given, **more: True)
    testbed = synthetic_language.build({"train": 16, "test": 8, "alone": 8, "refined": 8}, 0)
    assert testbed.initial is not None
    weights = testbed.initial(torch.Generator().manual_seed(0))
    points = Points({n: t[None] for n, t in weights.items()}, pd.DataFrame({"step": [0]}))
    settings: dict[str, Any] = {"kernel": "sgld", "localization": 1000.0, "epsilon": 2e-4}
    settings |= {"n": [1000.0], "beta": 1.0, "steps": 4, "burn_in": 0, "chains": 2, "batch": 16}
    full, half = (
        sample(testbed, points, sgld, Sampling(**settings, precision=which), seed=1, report=silent)
        for which in ("full", "bfloat16")
    )
    first = half.excess_loss.isel(draw=0)
    assert float(abs(first).max()) < 1e-5
    assert (full.excess_loss.isel(draw=3) != half.excess_loss.isel(draw=3)).all()
    for later in (1, 2, 3):
        one, other = full.excess_loss.isel(draw=later), half.excess_loss.isel(draw=later)
        assert float(abs(other - one).max()) < 0.02 * float(abs(one).min())


def test_without_units_for_it_all_stays_in_full_precision(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program._halves.cache_clear()
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    half = run(precision="bfloat16")
    program._halves.cache_clear()
    assert (half.excess_loss == run().excess_loss).all()
    said = [record.getMessage() for record in caplog.records if "bfloat16" in record.getMessage()]
    assert said == ["precision: bfloat16: no units for it here (cpu), full precision is used"]

"""The statistics of figure 2's claims on tables with known answers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stagewise.findings.mdl_code import MODELS, fitted
from stagewise.findings.mdl_code import measure as measure_code
from stagewise.findings.mdl_plateaus import measure as measure_plateaus
from stagewise.findings.mdl_plateaus import with_plateaus
from stagewise.findings.measured import Measured


def test_fits_find_their_own_coefficients() -> None:
    log_n = np.log(2.0 ** np.arange(6, 19))
    columns = [log_n, np.log(log_n)]
    values = np.stack([3 + 0.5 * log_n - np.log(log_n), 0.25 * log_n], axis=1)
    np.testing.assert_allclose(fitted(columns, values), [[0.5, 0.25], [-1, 0]], atol=1e-9)


@pytest.fixture(scope="module")
def code() -> dict[str, Measured]:
    settings = {"data_sets": 300, "smallest": 6, "largest": 14, "seed": 900, "repeats": 100}
    return measure_code({}, settings)[1]


def test_codes_have_the_slopes_of_theory(code: dict[str, Measured]) -> None:
    for name in MODELS:
        found = code[f"code_exact_slope_{name}"]
        assert found.low < found.value < found.high
        assert abs(found.value) < 0.1
        assert abs(code[f"code_over_mixture_slope_{name}"].value) < 0.03
    assert abs(code["code_two_part_slope_mean"].value) < 0.1
    assert code["code_slope_without_column_product"].value < -0.05


def test_the_regular_code_is_right_for_regular_models_only(code: dict[str, Measured]) -> None:
    assert abs(code["code_regular_slope_power1"].value) < 0.1
    for name in ("power2", "power3", "product", "square"):
        assert code[f"code_regular_slope_{name}"].low > 0.5


def test_shuffled_sizes_have_no_slope(code: dict[str, Measured]) -> None:
    for name in MODELS:
        assert abs(code[f"code_shuffled_slope_{name}"].value) < 0.15


def test_code_lengths_keep_within_their_bounds(code: dict[str, Measured]) -> None:
    assert code["code_kraft_excess_max"].value < 1e-9
    assert code["code_redundancy_min"].value > 0
    assert code["code_excess_max"].value < 5


LEVELS = pd.Series([100.0, 50.0, 20.0, 0.0], index=[0, 1, 2, 3])


def run_of(seed: int, model: int) -> pd.DataFrame:
    loss = [100.0, 90.0, 51.0, 50.5, 40.0, 20.2, 20.1, 5.0, 0.0]
    gradient = [0.1, 9.0, 0.6, 0.5, 9.0, 0.3, 0.2, 5.0, 0.0]
    columns = {"seed": seed, "model": model, "step": np.arange(9), "full_loss": loss}
    return pd.DataFrame({**columns, "gradient_norm": gradient, "trace": np.arange(9.0)})


def test_the_slowest_checkpoint_stands_for_its_plateau() -> None:
    found = with_plateaus(run_of(0, 0), LEVELS).dropna(subset=["rank"])
    assert found.step.tolist() == [0, 3, 6, 8]
    assert found["rank"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found.miss[1:], [0.5 / 50, 0.1 / 30, 0.0], atol=1e-12)
    skipped = with_plateaus(run_of(0, 0).iloc[[0, 3, 8]], LEVELS).dropna(subset=["rank"])
    assert skipped["rank"].tolist() == [0, 1, 3]


def plateaus(amounts: list[float], error: float, **changed: Any) -> dict[str, Measured]:
    """`amounts` critical at ranks 1, 2, 3 (coefficients 2, 3, 5), of every run."""
    runs = [(seed, model) for seed in (0, 1) for model in (0, 1)]
    exact = pd.DataFrame({"seed": 0, "rank": LEVELS.index, "remaining_loss": LEVELS})
    exact = exact.assign(aoyagi=[1.0, 2.0, 3.0, 5.0], rhat=1.0)
    exact = pd.concat([exact, exact.assign(seed=1)]).assign(model=0, standard_error=0.1)
    critical = [
        {"seed": seed, "model": model, "step": step, "scheme": scheme, "amount": amount + seed}
        | {"relative_tolerance": tolerance, "censored": ""}
        for seed, model in runs
        for scheme in ("quantization", "noise")
        for tolerance in (0.01, 0.02, 0.04)
        for step, amount in zip([3, 6, 8], amounts, strict=True)
    ]
    trained = [{"seed": s, "model": m, "rhat": 1.0, "standard_error": 0.1} for s, m in runs]
    estimates = pd.DataFrame(trained).assign(lambda_hat=5 * (1 + error))
    inputs = {
        "critical": [pd.DataFrame(critical).assign(**changed)],
        "curvature": [run_of(*run) for run in runs],
        "exact": [exact.assign(lambda_hat=exact.aoyagi * (1 + error))],
        "sgld": [estimates],
    }
    table, found = measure_plateaus(inputs, {})
    assert set(table.kind) == {"checkpoint", "critical", "exact", "sgld"}
    return found


def test_correlations_of_plateaus_are_those_of_their_ranks() -> None:
    found = plateaus([4.0, 6.0, 10.0], error=0.04)
    assert found["plateaus_quantization_spearman"].value == pytest.approx(1)
    assert found["plateaus_quantization_pearson"].value == pytest.approx(1)
    assert found["plateaus_trace_spearman"].value == pytest.approx(1)
    assert found["plateaus_miss_max"].value == pytest.approx(0.01)
    for name in ("plateaus_sgld_error", "plateaus_exact_error_max"):
        assert found[name].value == pytest.approx(0.04)
        assert not found[name].doubt
    falling = plateaus([10.0, 6.0, 4.0], error=-0.3)
    assert falling["plateaus_noise_spearman_low"].value == pytest.approx(-1)
    assert falling["plateaus_exact_error_max"].value == pytest.approx(0.3)


def test_amounts_beyond_the_grid_are_no_evidence() -> None:
    found = plateaus([4.0, 6.0, np.nan], error=0.0, censored="low")
    assert "beyond the grid" in found["plateaus_quantization_spearman"].doubt

"""Statistics of figure 12 from tables of which the answer is known."""

import numpy as np
import pandas as pd
import pytest

from stagewise.findings import sampling_benchmark_formula, sampling_benchmark_sweeps

SCALES, STEPS, NETWORKS = (1.0, 3.0, 10.0), (1e-7, 1e-6, 3e-6), 12
SETTINGS = {"workable": 0.2, "bootstrap": 50}


def inputs(error) -> dict[str, list[pd.DataFrame]]:
    """Tables whose relative errors are error(sampler, scale, step, network)."""
    truth = np.linspace(10, 40, NETWORKS)
    rows = [
        {"seed": 0, "network": k, "rescaling": s, "widths": "4-4", "rank": 1, "dimension": 32,
         "aoyagi": truth[k], "lambda_hat": truth[k], "standard_error": 0.001 * truth[k],
         "rhat": 1.0, "ess_bulk": 100.0}
        for k in range(NETWORKS) for s in SCALES
    ]  # fmt: skip
    exact = pd.DataFrame(rows)
    found = {"gibbs": [exact]}
    for sampler in sampling_benchmark_sweeps.SAMPLERS:
        parts = []
        for step in STEPS:
            errors = [error(sampler, r["rescaling"], step, r["network"]) for r in rows]
            hat = exact.lambda_hat * (1 + np.array(errors))
            parts.append(exact.assign(step_size=step, lambda_hat=hat))
        found[sampler] = [pd.concat(parts, ignore_index=True)]
    return found


def errors(sampler: str, scale: float, step: float, network: int) -> float:
    """Best at 3e-6; rmsprop worse than the momentum samplers, and the only one not to mind s."""
    base = {
        "sghmc": 0.02,
        "sgnht": 0.02,
        "sgld": 0.05,
        "rmsprop": 0.08,
        "frozen": 0.04,
        "adam": 0.3,
    }
    own = base[sampler] * (1 if sampler in ("rmsprop", "frozen") else scale)
    return -own * {1e-7: 8, 1e-6: 3, 3e-6: 1}[step] * (1 + 0.1 * (network % 2))


def test_errors_and_ranks_at_the_best_step() -> None:
    table, found = sampling_benchmark_sweeps.measure(inputs(errors), SETTINGS)
    assert set(table[table.best].step_size) == {3e-6}
    assert found["sgld_error_s1"].value == pytest.approx(0.05 * 1.05)
    assert found["sgld_bias_s1"].value == pytest.approx(-0.05 * 1.05)
    assert found["rmsprop_over_best_rival_s1"].value == pytest.approx(4)
    assert found["rmsprop_over_best_rival_s10"].value == pytest.approx(0.08 / 0.2)
    assert found["frozen_over_rmsprop_s3"].value == pytest.approx(0.5)
    assert found["sgld_workable_s1"].value == 2  # 0.05 and 0.15, not 0.4
    assert found["workable_lead_s10"].value == 1
    assert found["sgld_order_s1"].value == 1
    assert found["rmsprop_rescaling_change"].value == pytest.approx(0)
    assert found["sgld_too_small"].value == pytest.approx(1 - 0.4 * 1.05)


def test_a_step_at_which_one_chain_diverges_cannot_be_the_best() -> None:
    def diverging(sampler: str, scale: float, step: float, network: int) -> float:
        if sampler == "sgld" and step == 3e-6 and network == 3:
            return float("nan")
        return errors(sampler, scale, step, network)

    table, found = sampling_benchmark_sweeps.measure(inputs(diverging), SETTINGS)
    assert set(table[table.best & (table.sampler == "sgld")].step_size) == {1e-6}
    assert found["sgld_workable_s1"].value == 1
    assert np.isnan(found["sgld_too_small"].value)
    assert found["sgld_too_small"].doubt


def test_the_formula_agrees_with_the_known_cases() -> None:
    table, found = sampling_benchmark_formula.measure({}, {})
    assert len(table) > 1000
    for name in ("formula_mismatches", "formula_above_half_dimension"):
        assert found[name].value == 0
        assert found[name].n > 1000
    assert found["formula_full_rank_mismatches"].value == 0

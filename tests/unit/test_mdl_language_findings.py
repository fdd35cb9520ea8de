"""The statistics of figure 2 on language models, on tables with known answers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stagewise.findings import mdl_bytes, mdl_controls, mdl_language, mdl_runs
from stagewise.findings.mdl_points import points
from stagewise.settings import SettingsError

STEPS = np.array([100, 150, 220, 330, 500, 700, 1000, 1500, 2200, 3300, 5000])
LANGUAGE: dict[str, Any] = {
    "testbed": "gpt_neox",
    "runs": {"one": ["some"], "two": ["other"]},
    "tolerance": 0.1,
    "vocabulary": 512,
    "repeats": 50,
}
RUNS = {"variants": ["some"], "tolerance": 0.1, "repeats": 50}


def critical(amounts: Any, steps: Any = STEPS, variant: str = "some", **columns: Any) -> Any:
    """A table of critical amounts; the larger the tolerance, the smaller they are."""
    parts = [
        pd.DataFrame(
            {"model": 0, "step": steps, "kind": "scheduled", "scheme": scheme, "loss": 3.0}
            | {"tolerance": tolerance, "amount": np.asarray(amounts) * factor, "norm": 5.0}
            | {"variant": variant, "censored": ""}
            | columns
        )
        for scheme in ("quantization", "noise")
        for tolerance, factor in ((0.05, 2.0), (0.1, 1.0), (0.2, 0.5))
    ]
    return pd.concat(parts, ignore_index=True)


def llc(estimates: Any, steps: Any = STEPS, rise: float = 0.1, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {"model": 0, "step": steps, "kind": "scheduled", "lambda_hat": estimates}
        | {"localization": 100.0, "tether_rise": rise, "loss_rise": rise, "tether_share": 1.0}
        | {"tether_ratio": 0.7, "rhat": 1.01, "standard_error": 0.1}
        | columns
    )


def test_points_join_what_belongs_together() -> None:
    other = llc(np.arange(11.0)[::-1], STEPS[::-1])
    table = points({"critical": [critical(STEPS)], "fixed": [other], "relative": [other]})
    assert len(table) == 66
    np.testing.assert_allclose(table.fixed, np.searchsorted(STEPS, table.step))
    np.testing.assert_allclose(table.trace, 20.0)
    np.testing.assert_allclose(table.log_step, np.log(table.step))
    some = llc(np.ones(10), STEPS[1:])
    with pytest.raises(
        SettingsError, match="some was compressed at checkpoints that `relative` did not"
    ):
        points({"critical": [critical(STEPS)], "fixed": [other], "relative": [some]})


def test_correlations_along_training() -> None:
    levels = 3 * np.log(STEPS) + 0.3 * np.sin(np.arange(11))
    inputs = {
        "critical": [critical(levels), critical(2 * levels, variant="other")],
        "fixed": [llc(levels**3, loss_rise=0.2), llc(levels**3)],
        "relative": [llc(-levels), llc(-levels, rhat=2.0)],
    }
    table, found = mdl_language.measure(inputs, LANGUAGE)
    assert found["fixed_quantization"].value == pytest.approx(1)
    assert found["fixed_quantization_tight"].value == pytest.approx(1)
    assert found["relative_noise_loose"].value == pytest.approx(-1)
    assert 0.8 < found["fixed_quantization_r2"].value < 1
    assert found["fixed_quantization_partial"].value > 0
    assert found["relative_quantization_partial"].value == pytest.approx(-1)
    assert found["fixed_growth"].value == pytest.approx(1)
    assert found["fixed_rise"].value == pytest.approx(0.2)
    assert found["fixed_saturation"].value == pytest.approx(0.2 / (np.log(512) - 3))
    assert not found["fixed_quantization"].doubt
    assert "not stationary" in found["relative_quantization"].doubt
    assert set(table["row"]) == {"point", "correlation"}


def test_few_critical_amounts_on_the_grid_decide_nothing() -> None:
    levels = np.log(STEPS)
    levels[:8] = np.nan
    inputs = {"critical": [critical(levels)], "fixed": [llc(STEPS)], "relative": [llc(STEPS)]}
    found = mdl_language.measure(inputs, LANGUAGE)[1]["fixed_quantization"]
    assert np.isnan(found.value)
    assert "fewer than" in found.doubt
    levels[5:] = 1 + np.arange(6)
    found = mdl_language.measure(inputs | {"critical": [critical(levels)]}, LANGUAGE)[1]
    assert "only 6" in found["fixed_quantization"].doubt


def test_a_run_may_be_in_several_variants() -> None:
    """As models of the hub are, which have one for every revision."""
    levels = 3 * np.log(STEPS)
    tables: dict[str, list[pd.DataFrame]] = {"critical": [], "fixed": [], "relative": []}
    for step, level in zip(STEPS, levels, strict=True):
        of = f"some_step{step}"
        tables["critical"].append(critical([level], [step], of).drop(columns="kind"))
        for name in ("fixed", "relative"):
            tables[name].append(llc([level], [step]).drop(columns="kind"))
    runs = {"some": [f"some_step{step}" for step in STEPS]}
    table, found = mdl_language.measure(tables, LANGUAGE | {"runs": runs})
    assert found["fixed_quantization"].value == pytest.approx(1)
    assert not found["fixed_quantization"].doubt
    assert set(table["label"].dropna()) == {"some"}


def of_runs(levels: Any, estimates: Any, rivals: Any) -> dict[str, list[pd.DataFrame]]:
    """One run a kind, the same at equal step and at equal loss."""
    inputs: dict[str, list[pd.DataFrame]] = {"critical": [], "fixed": [], "relative": []}
    for kind, (level, estimate, rival) in enumerate(zip(levels, estimates, rivals, strict=True)):
        for name, value in (("fixed", -estimate), ("relative", estimate)):
            tables = [llc([value], [at], rise=rival, kind=of) for at, of in PLACES]
            inputs[name].append(pd.concat(tables, ignore_index=True))
        tables = [critical([level], [at], str(kind), kind=of, norm=rival) for at, of in PLACES]
        inputs["critical"].append(pd.concat(tables, ignore_index=True))
    return inputs


PLACES = ((500, "scheduled"), (320, "target"))


def test_correlations_over_runs() -> None:
    random = np.random.default_rng(1)
    levels = 5 + np.arange(30.0)
    inputs = of_runs(levels, levels**2, levels + 20 * random.normal(size=30) + 100)
    found = mdl_runs.measure(inputs, RUNS)[1]
    for place in ("step", "loss"):
        assert found[f"{place}_relative_quantization"].value == pytest.approx(1)
        assert found[f"{place}_fixed_quantization_tight"].value == pytest.approx(-1)
        assert found[f"{place}_relative_over_norm"].low > 0
        assert found[f"{place}_relative_given_norm"].value > 0.9
        assert found[f"{place}_shuffled"].value < 0.5
        assert found[f"{place}_runs"].value == 30


def test_where_no_run_meets_the_loss_there_is_no_number() -> None:
    inputs = of_runs(np.arange(9.0) + 5, np.arange(9.0), np.ones(9))
    without = {
        name: [table[table["kind"] == "scheduled"] for table in tables]
        for name, tables in inputs.items()
    }
    found = mdl_runs.measure(without, RUNS)[1]
    assert set(found) == set(mdl_runs.measure(inputs, RUNS)[1])
    assert np.isnan(found["loss_relative_quantization"].value)
    assert found["loss_relative_quantization"].doubt
    assert found["step_relative_quantization"].value == pytest.approx(1)


def test_an_estimate_that_is_only_its_rival_says_no_more() -> None:
    random = np.random.default_rng(2)
    rivals = 10 + random.random(30)
    levels = 20 + rivals + 0.5 * random.random(30)
    found = mdl_runs.measure(of_runs(levels, rivals, rivals), RUNS)[1]
    assert found["step_relative_over_norm"].value == pytest.approx(0)
    assert np.isnan(found["step_relative_given_norm"].value)


def test_files_against_their_bound() -> None:
    coded = pd.DataFrame(
        {"step": [1, 1, 2, 2], "scheme": "quantization", "amount": [5, 9, 5, 9]}
        | {"bytes": [101, 202, 102, 203], "entropy_bits": [800.0, 1600.0, 800.0, 1600.0]}
        | {"bits": 1616.0, "float_bytes": 1010, "loss_rise": [0.05, 0.01, 0.3, 0.02]}
    )
    coded["variant"] = ["a", "a", "b", "b"]
    settings = {"runs": {"one": ["a", "b"]}, "tolerance": 0.1}
    found = mdl_bytes.measure({"coded": [coded[:2], coded[2:]]}, settings)[1]
    assert found["bytes_excess_max"].value == pytest.approx(0.02)
    assert found["bytes_excess_min"].value == pytest.approx(0.01)
    assert found["bytes_shrinks"].value == pytest.approx(1010 / 203)
    assert found["bytes_growth"].value == pytest.approx(1)


def test_scrambled_weights_are_off_the_line() -> None:
    levels = np.arange(11.0) + 5
    noise = 0.1 * (-1) ** np.arange(11)
    end = STEPS[-1:]
    inputs = {
        "fixed": [llc(10 * levels + noise)],
        "critical": [critical(levels)],
        "permuted": [llc([-100.0], end)],
        "permuted_critical": [critical([7.0], end)],
        "gaussian": [llc([70.0], end)],
        "gaussian_critical": [critical([7.0], end)],
    }
    settings = {"variants": ["some"], "tolerance": 0.1}
    found = mdl_controls.measure(inputs, settings)[1]
    assert found["controls_permuted_llc"].value == -100
    assert found["controls_gaussian_off"].value < 1 < 1000 < found["controls_permuted_off"].value
    assert found["controls_gaussian_levels"].value == 7

"""Findings on influence in language models, on draws and curves whose answer is planted."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from stagewise.figures.stagewise_bif_language import (
    BRACKETS,
    CLASSES,
    draw_classes,
    draw_delimiters,
    draw_intervention,
    draw_times,
)
from stagewise.figures.style import styled
from stagewise.findings import stagewise_bif_intervention, stagewise_bif_language
from stagewise.findings.stagewise_bif_clock import first_at_least, geometric_mean, onset
from stagewise.settings import SettingsError
from stagewise.testbeds.synthetic_language import mixed, of_class
from stagewise.testbeds.testbed import Points

SMALL = {"train": 8, "test": 8, "alone": 4, "refined": 8, "length": 24}
STEPS = np.array([0, 10, 20, 50, 100, 200, 400])
COMMON = {
    "markov": [0, 1, 3, 2, 3, 3, 3],
    "repeated": [0.2, 0.2, 0.2, 0.2, 0.2, 4, 3],
    "first copy": [0.5] * 7,
    "opening": [1] * 7,
    "closing": [1, 1, 1, -1, -1, -1, -1],
}
"""How strongly the tokens of a class move together, by checkpoint."""


def learning() -> Points:
    """Induction begins at step 100: a fifth of the last gap."""
    gap = [0.0, 0.0, 0.05, 0.2, 0.8, 3.0, 4.0]
    return Points({}, pd.DataFrame({"step": STEPS, "induction_gap": gap}))


def draws(seed: int, *, chains: int = 3, count: int = 40) -> xr.Dataset:
    text, random = mixed(SMALL), np.random.default_rng(seed)
    shape = (len(STEPS), 1, chains, count)
    losses = random.standard_normal((*shape, *text.classes.shape))
    together = random.standard_normal(shape)
    for name, amounts in COMMON.items():
        common = together if name in ("opening", "closing") else random.standard_normal(shape)
        moved = np.array(amounts)[:, None, None, None] * common
        losses += moved[..., None, None] * of_class(text, name).numpy()
    centre = np.full((len(STEPS), *text.classes.shape), 2.9)
    centre[3:, of_class(text, "closing").numpy()] = 2.8  # learned between steps 20 and 50
    dims = ("checkpoint", "n", "chain", "mixed_draw", "mixed_sample", "mixed_token")
    return xr.Dataset(
        {
            "mixed_loss": (dims, 3 + losses),
            "mixed_loss_at_centre": (("checkpoint", *dims[4:]), centre),
            "rhat": (("checkpoint", "n"), np.ones((len(STEPS), 1))),
        },
        coords={"step": ("checkpoint", STEPS)},
        attrs={"seed": seed, "provenance": json.dumps({"settings": {"model": SMALL}})},
    )


def language() -> tuple[pd.DataFrame, dict[str, Any]]:
    seeds = range(3)
    made = [draws(s) for s in seeds]
    inputs = {"draws": made, "twice": made, "runs": [learning() for _ in seeds]}
    return stagewise_bif_language.measure(inputs, {"gap": 0.1, "blocks": 2})


@pytest.mark.parametrize("noise", [1.0, 2.0])
def test_noise_of_minibatches_is_found(noise: float) -> None:
    """Batches of twice the size halve it."""
    made = [draws(seed) for seed in range(2)]
    end = [one.isel(checkpoint=[-1]) for one in made]
    twice = [one.assign(mixed_loss=one["mixed_loss"] / noise**0.5) for one in end]
    inputs = {"draws": made, "twice": twice, "runs": [learning(), learning()]}
    table, found = stagewise_bif_language.measure(inputs, {"gap": 0.1, "blocks": 2})
    assert found["language_batch_ratio"].value == pytest.approx(noise)
    assert table["batch_ratio"].to_numpy() == pytest.approx(noise)


def test_planted_classes_are_found() -> None:
    table, found = language()
    assert (table["onset"] == 100).all()
    assert table["brackets"].between(20, 50).all()
    assert table.set_index("step")["gap"][200].eq(3).all()
    own = table[(table["first"] == "induction") & (table["second"] == "induction")]
    by_step = own.groupby("step")["covariance"].mean()
    assert by_step[200] == pytest.approx(16, rel=0.3)
    assert found["language_induction_peak"].low > 30
    assert found["language_induction_time"].value == pytest.approx(201 / 101)
    assert found["language_bigram_time"].high < 1
    assert found["language_induction_end"].value == pytest.approx(9 / 16, rel=0.3)
    assert found["language_unforeseen_peak"].value < 0.1
    assert found["language_closing_peak"].value < 2
    assert found["language_bigram_fall"].value == pytest.approx(9 / 4, rel=0.4)
    assert found["language_shuffled"].value < 0.05
    assert found["language_untrained"].value < 0.05
    assert found["language_bigram_untrained"].value < 0.05
    assert found["language_delimiters_early"].value == pytest.approx(1, rel=0.3)
    assert found["language_delimiters_late"].value == pytest.approx(-1, rel=0.3)
    assert found["language_correlation_delimiters_late"].high < 0
    assert found["language_correlation_induction_peak"].low > 3
    assert found["language_loss_rise"].value == pytest.approx(0.1 / 2.9, rel=0.5)
    assert found["language_trend"].value < 0.1
    assert found["language_induction_peak"].doubt == ""


def test_chains_that_are_not_stationary_decide_nothing() -> None:
    made = draws(0)
    made["rhat"] = made["rhat"] + 1
    both = [made, draws(1)]
    inputs = {"draws": both, "twice": both, "runs": [learning(), learning()]}
    _, found = stagewise_bif_language.measure(inputs, {"gap": 0.1, "blocks": 2})
    assert found["language_induction_peak"].doubt.startswith("chains are not stationary")


def runs(seed: int, *, gain: float = 60.0) -> Points:
    """Copying comes at step 700, sooner by `gain` in the window's arm and half of it before."""
    random, rows = np.random.default_rng(seed), []
    steps = np.arange(0, 1201, 40)
    for model in range(3):
        own = 700 + 20 * random.standard_normal()
        for place, sooner in enumerate((0, gain / 2, gain, 0, gain / 4)):
            middle = own - sooner + random.standard_normal()
            gaps = 3.5 / (1 + np.exp(-(steps - middle) / 40))
            rows += [
                {"configuration": place, "model": model, "step": s, "induction_gap": g}
                for s, g in zip(steps, gaps, strict=True)
            ]
    return Points({}, pd.DataFrame(rows).assign(seed=seed))


ARMS = {
    "arms": {"none": 0, "before": 1, "window": 2, "other": 3, "start": 4},
    "windows": {"before": [400, 600], "window": [600, 800]},
    "level": 0.5,
}


def test_planted_intervention_is_found() -> None:
    inputs = {"runs": [runs(0), runs(1)]}
    table, found = stagewise_bif_intervention.measure(inputs, ARMS)
    assert found["intervention_window_less_before"].value == pytest.approx(-30, abs=3)
    assert found["intervention_window_less_none"].value == pytest.approx(-60, abs=3)
    assert found["intervention_window_less_other"].n == 6
    assert found["intervention_window_less_start"].value == pytest.approx(-45, abs=3)
    assert found["intervention_before_less_start"].value == pytest.approx(-15, abs=3)
    assert found["intervention_window_less_before_since"].value == pytest.approx(-230, abs=3)
    assert found["intervention_p_window_before"].value < 1e-4
    assert len(table[table["kind"] == "time"]) == 30


def test_no_gain_no_verdict() -> None:
    inputs = {"runs": [runs(seed, gain=0) for seed in range(4)]}
    _, found = stagewise_bif_intervention.measure(inputs, ARMS)
    assert found["intervention_window_less_before"].value == pytest.approx(0, abs=3)
    assert found["intervention_p_window_before"].value > 0.01


def test_arms_have_their_names() -> None:
    with pytest.raises(SettingsError, match="arms: name none, start, before, window"):
        stagewise_bif_intervention.measure({"runs": []}, ARMS | {"arms": {"none": 0}})


def test_windows_have_their_names() -> None:
    with pytest.raises(SettingsError, match="windows: name before and window"):
        stagewise_bif_intervention.measure({"runs": []}, ARMS | {"windows": {"window": [0, 1]}})


def test_clock() -> None:
    assert first_at_least([0, 5, 9], [1, 2, 3], 2) == 5
    assert np.isnan(first_at_least([0, 5, 9], [1, 2, 3], 4))
    assert onset([0, 5, 9], [0, 0.4, 3], 0.1) == 5
    assert np.isnan(onset([0, 5], [1, -1], 0.1))
    found = geometric_mean([1, 2, 4])
    assert found.value == pytest.approx(2)
    assert found.low is not None
    assert found.high is not None
    assert found.low * found.high == pytest.approx(4)


def test_panels_are_drawn() -> None:
    table, _ = language()
    arms, _ = stagewise_bif_intervention.measure({"runs": [runs(0), runs(1)]}, ARMS)
    with styled():
        axes = Figure().subplots(1, 5)
        draw_classes(axes[0], table, "covariance", CLASSES, "")
        draw_classes(axes[1], table, "correlation", CLASSES, "")
        draw_delimiters(axes[2], table, BRACKETS, "")
        draw_intervention(axes[3], arms)
        draw_times(axes[4], arms)
    assert all(axis.lines for axis in axes)

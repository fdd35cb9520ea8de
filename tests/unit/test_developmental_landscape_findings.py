"""Developmental landscape: statistics of planted developments, and of none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure
from planted_developments import (
    STAIRCASE,
    STEPS,
    language_table,
    llc_table,
    outputs,
    regression_table,
    rise,
    text_table,
)

from stagewise.figures.developmental_landscape import draw
from stagewise.figures.style import styled
from stagewise.findings import (
    developmental_landscape_essential_dynamics,
    developmental_landscape_language_behaviour,
    developmental_landscape_language_stages,
    developmental_landscape_regression_behaviour,
    developmental_landscape_regression_stages,
    developmental_landscape_sampler,
    developmental_landscape_text,
)
from stagewise.findings.developmental_landscape_curves import curves
from stagewise.findings.judge import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, judge
from stagewise.theory.langevin import gaussian_excess

PAGE = Path(__file__).parents[2] / "workflow/papers/developmental_landscape.yaml"
FIT = {"threshold": 0.05, "restarts": 0}
STAGES = FIT | {"permutations": 2}
SEEDS = (0, 1, 2)


def language_stages(curve=STAIRCASE, **options):
    local = [
        llc_table(0.8 * curve, seed, noise=0.5).iloc[[5, 15, 20, 25, 28, 30, -1]] for seed in SEEDS
    ]
    inputs = {
        "llc": [llc_table(curve, seed, **options) for seed in SEEDS],
        "local": local,
        "behaviour": [language_table(seed) for seed in SEEDS],
    }
    return developmental_landscape_language_stages.measure(inputs, STAGES)


def test_a_planted_staircase_is_found():
    table, found = language_stages()
    assert found["language_stage_count_share"].value == 1
    assert found["language_stages"].value == 3
    assert found["language_type_sequences"].value == 1
    assert set(table.loc[table["kind"] == "stage", "type"]) == {"A", "B"}
    assert found["language_llc_fall"].value > 5
    assert found["language_llc_growth"].low > 80
    assert found["language_hidden_milestones"].value == 2  # its loss is straight
    assert found["language_llc_change_induction"].value > 20
    assert 0 < found["language_llc_change_previous_token"].value < 30
    assert found["language_local_rank_correlation"].value > 0.8
    assert found["language_local_fall"].value > 5
    assert found["control_language_shuffled_stages"].value < 2
    assert not any(one.doubt for one in found.values())
    first = table[(table["kind"] == "stage") & (table["seed"] == 0)]
    assert first["loss_change"].to_numpy() == pytest.approx(
        -0.2 * np.diff(np.log1p([*first["step"], 4000])), abs=1e-9
    )


def test_a_flat_curve_has_no_stages_and_no_fall():
    _, found = language_stages(curve=np.full(len(STEPS), 40.0))
    assert found["language_stages"].value <= 0.4
    assert found["language_stage_count_share"].value < 1
    assert found["language_llc_fall"].value == 0
    assert found["language_local_fall"].value == 0


def test_a_fall_with_a_rising_loss_does_not_count():
    """And milestones of the loss itself are not hidden from it."""
    _, found = language_stages(loss=STAIRCASE.max() - STAIRCASE)
    assert found["language_llc_fall"].value == 0
    assert found["language_hidden_milestones"].value == 0


def test_chains_that_are_not_stationary_decide_nothing():
    _, found = language_stages(rhat=1.5)
    assert "not stationary" in found["language_llc_fall"].doubt
    assert "not stationary" in found["language_llc_change_induction"].doubt


def test_regression_curve_that_follows_the_loss():
    def measured(loss):
        tables = [llc_table(30 * rise(300, 1), seed, noise=0.3, loss=loss) for seed in SEEDS]
        return developmental_landscape_regression_stages.measure({"llc": tables}, STAGES)[1]

    growing = measured(2 - rise(300, 1))
    assert growing["regression_llc_rank_correlation"].low > 0.7
    assert abs(growing["control_regression_shuffled_rank_correlation"].value) < 0.3
    assert growing["regression_stages"].value == 1
    assert measured(1 + rise(300, 1))["regression_llc_rank_correlation"].high < 0


def language_behaviour(**steps):
    inputs = {"behaviour": [language_table(seed, **steps) for seed in SEEDS]}
    return developmental_landscape_language_behaviour.measure(
        inputs, {"ordinary": 32, "permutations": 10}
    )


def test_abilities_are_dated_and_ordered():
    table, found = language_behaviour()
    times = table[(table["kind"] == "time") & (table["seed"] == 0)].set_index("name")["step"]
    assert times["bigrams"] == pytest.approx(60, rel=0.05)
    assert times["previous_token"] == pytest.approx(450, rel=0.05)
    assert times["prefix"] == pytest.approx(780, rel=0.05)
    assert found["language_order"].value == found["language_order_by_gap"].value == 1
    assert found["language_orders"].value == 1
    assert found["control_language_shuffled_order"].value < 0.5
    assert found["language_previous_over_prefix_time"].value == pytest.approx(450 / 780, rel=0.1)
    assert found["language_bigram_minimum_prefix"].value < 0.5
    assert found["language_positions_early"].value < 0.05
    assert found["language_positions_end"].value > 0.2
    assert found["language_copying"].value == pytest.approx(0.4 / np.log(32), rel=0.1)
    assert found["language_icl_with_induction"].value > 0.5
    assert found["language_below_entropy"].value > -3


def test_another_order_is_seen():
    _, found = language_behaviour(previous=1500, prefix=500, positions=20)
    assert found["language_order"].value == 0
    assert found["language_order_by_gap"].value == 0
    assert found["language_previous_over_prefix_time"].value > 1
    assert found["language_positions_early"].value > 0.05


def regression_behaviour(**options):
    inputs = {"behaviour": [regression_table(seed, **options) for seed in SEEDS]}
    return developmental_landscape_regression_behaviour.measure(
        inputs, {"dimension": 2, "noise_variance": 0.125}
    )


def test_the_prior_is_learned_before_regression():
    table, found = regression_behaviour()
    assert found["regression_prior_prediction"].value < 1
    assert found["regression_prior_share_of_start"].value < 0.5
    assert found["regression_start_prediction"].value > 1
    assert found["regression_final_over_bayes"].value == pytest.approx(0.725 / 0.66, rel=0.02)
    assert found["regression_below_bayes"].value > -3
    assert found["regression_icl"].value == pytest.approx(-1.7, rel=0.01)
    assert found["regression_far_loss"].value == pytest.approx(1.1, abs=0.05)
    assert not found["regression_far_loss"].doubt
    assert found["regression_rank_share"].value == pytest.approx(2.88 / 3, abs=0.02)
    assert 20 < table.loc[table["prior"], "step"].max() < 300


def test_no_regression_without_context():
    _, found = regression_behaviour(learns=False)
    assert found["regression_final_over_bayes"].value > 1.25
    assert found["regression_icl"].value == 0


def test_text_shows_copying_and_its_own_order():
    inputs = {"behaviour": [text_table(seed) for seed in SEEDS]}
    _, found = developmental_landscape_text.measure(inputs, {})
    assert found["text_second_copy"].value < 1
    assert found["text_transfer"].value < -1
    assert found["text_prefix"].value > 0.4
    assert found["text_previous_over_prefix_time"].value > 1
    assert found["control_text_untrained_transfer"].value == pytest.approx(0, abs=0.05)


def dynamics(*, walk):
    data = [outputs(seed, walk=walk) for seed in SEEDS]
    tables = [llc_table(STAIRCASE, seed) for seed in SEEDS]
    inputs = {
        "language_outputs": data,
        "language_llc": tables,
        "regression_outputs": data,
        "regression_llc": tables,
    }
    settings = FIT | {"walks": 20, "width": [1.0, 2.0]}
    return developmental_landscape_essential_dynamics.measure(inputs, settings)


def test_a_planted_path_explains_more_than_a_random_walk():
    _, found = dynamics(walk=False)
    assert found["language_explained"].value > 0.99
    assert found["language_explained_above_walks"].value > 0
    _, null = dynamics(walk=True)
    assert null["language_explained"].value > 0.7  # and yet
    assert null["language_explained_above_walks"].value < 0.02


def test_sampler_is_held_against_its_closed_form():
    spectrum = np.geomspace(1, 1e-3, 20)
    posterior = {"n_beta": 1000.0, "localization": 1.0, "epsilon": 5e-4}
    exact = gaussian_excess(spectrum, **posterior)

    def measured(value):
        rows = {
            "seed": 0, "spectrum": " ".join(map(repr, spectrum.tolist())), "flat": 5,
            "dimension": 25, "nbeta": 1000.0, "localization": 1.0, "epsilon": 5e-4,
            "lambda_hat": [value, value], "standard_error": 0.01, "rhat": 1.0,
        }  # fmt: skip
        table = pd.DataFrame(rows)
        return developmental_landscape_sampler.measure({"llc": [table]}, {})[1]

    right, wrong = measured(exact), measured(1.1 * exact)
    assert right["sampler_error"].high < 0.05
    assert right["sampler_flat_direction"].value == pytest.approx(0, abs=1e-9)
    assert wrong["sampler_error"].low > 0.05
    assert wrong["sampler_flat_direction"].low > 0.02
    assert right["control_sampler_half_dimension"].value > 0.05


def test_estimates_that_are_not_numbers_are_left_out():
    table = llc_table(STAIRCASE, 0)
    table.loc[3, "lambda_hat"] = np.nan
    (run,) = curves([table], FIT)
    assert len(run.table) == len(STEPS) - 1
    assert run.kinds == "AAB"


def every_part():
    """Part -> its table and statistics, all of planted developments."""
    growing = [llc_table(30 * rise(300) + 5 * rise(20), seed) for seed in SEEDS]
    spectrum = {"spectrum": "1.0 0.1", "flat": 2, "dimension": 4, "nbeta": 100.0}
    chain = {"localization": 1.0, "epsilon": 1e-3, "standard_error": 0.01, "rhat": 1.0}
    quadratics = pd.DataFrame({**spectrum, **chain, "lambda_hat": [0.9, 0.9], "seed": 0})
    texts = {"behaviour": [text_table(seed) for seed in SEEDS]}
    return {
        "sampler": developmental_landscape_sampler.measure({"llc": [quadratics]}, {}),
        "language_stages": language_stages(),
        "regression_stages": developmental_landscape_regression_stages.measure(
            {"llc": growing}, STAGES
        ),
        "language_behaviour": language_behaviour(),
        "regression_behaviour": regression_behaviour(),
        "text": developmental_landscape_text.measure(texts, {}),
        "essential_dynamics": dynamics(walk=False),
    }


def test_every_claim_has_its_statistic_and_the_figure_its_tables():
    parts = every_part()
    found = {name: one for _, statistics in parts.values() for name, one in statistics.items()}
    page = yaml.safe_load(PAGE.read_text())
    verdicts = judge(page, found, scale="default").set_index("claim")["verdict"]
    assert verdicts["C3a"] == REPRODUCED
    assert verdicts["T5"] == NOT_REPRODUCED  # planted so
    assert verdicts["C10a"] == NOT_TESTED
    with styled():
        figure = draw({part: table for part, (table, _) in parts.items()})
    assert isinstance(figure, Figure)
    titles = {axis.get_title(loc="left") for axis in figure.axes}
    assert {"Language model", "The same on text", "Variance explained"} <= titles

"""Findings on the toy model of superposition, on inputs whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure

from stagewise.engine.flat import flatten
from stagewise.engine.quench import quench
from stagewise.estimators.convex_hull import hull_vertices
from stagewise.estimators.plateaus import OFF, matched_levels, plateaus
from stagewise.figures.style import styled
from stagewise.figures.tms import draw
from stagewise.findings import (
    tms_descent,
    tms_polygons,
    tms_posterior,
    tms_potential,
    tms_transitions,
)
from stagewise.models.superposition import population_loss
from stagewise.theory.superposition import PHASES_6, polygon, polygon_loss, polygon_parameters
from stagewise.theory.superposition_evidence import _chamber_mass, evidence_crossing

SHAPES = {"W": (2, 6), "b": (6,)}
LEVELS = {"tolerance": 1e-3, "visited": 3, "bootstrap": 50, "lasting": 2}


def test_levels_are_matched_within_the_tolerance():
    found = matched_levels([0.1, 0.1009, 0.05, 0.2], [0.05, 0.1], tolerance=1e-3)
    assert found.tolist() == [1, 1, 0, OFF]


def test_plateaus_skip_transit_and_short_visits():
    matched = [2, 2, OFF, 2, 1, OFF, 0, 0]
    assert [(p.level, p.members.tolist()) for p in plateaus(matched)] == [
        (2, [0, 1, 3]),
        (1, [4]),
        (0, [6, 7]),
    ]
    assert [p.level for p in plateaus(matched, shortest=2)] == [2, 0]
    assert [p.members.tolist() for p in plateaus([1, 1, 0, 1, 1], shortest=2)] == [[0, 1, 3, 4]]


@pytest.mark.parametrize("k", [4, 5, 6])
def test_hull_counts_long_columns(k):
    W, _ = polygon_parameters(k, 6)
    W[:, k:] = 0.1
    assert hull_vertices(W, shortest=0.3) == k
    assert hull_vertices(0.1 * W, shortest=0.3) == 0


def test_quench_returns_perturbed_polygons_to_their_level():
    points = [polygon_parameters(5, 6, positive=1), polygon_parameters(6, 6)]
    stacked = {
        "W": torch.stack([torch.from_numpy(W) for W, _ in points]),
        "b": torch.stack([torch.from_numpy(b) for _, b in points]),
    }
    position = flatten(stacked, SHAPES)
    noise = torch.randn(position.shape, generator=torch.Generator().manual_seed(0))
    _, losses = quench(
        lambda w, constants, batch: population_loss(w["W"], w["b"])[None],
        SHAPES,
        position + 0.02 * noise,
        rate=0.4,
        steps=600,
    )
    expected = [polygon_loss(5, 6, 1), polygon_loss(6, 6)]
    np.testing.assert_allclose(losses.numpy(), expected, atol=1e-6)


def test_potential_findings_meet_the_paper_and_the_controls_do_not():
    table, found = tms_potential.measure({}, {"points": 10, "seed": 3})
    assert found["closed_form_error"].value < 1e-12
    assert found["control_closed_form_error_without_cases"].value > 1e-2
    assert found["polygon_gradient"].value < 1e-12 < found["control_polygon_gradient_shrunk"].value
    assert found["absent_polygons_existing"].value == 4
    assert found["absent_polygons_leaking"].value == 0
    assert found["transition_formula"].value == pytest.approx(601, abs=1)
    assert found["control_transition_formula_halved_loss"].value > 1000
    assert len(table) == 36


def polygon_table(deviation: float, stayed: int) -> pd.DataFrame:
    rows = []
    for phase in PHASES_6:
        for n in (5e3, 5e5, 5e6):
            estimate = tms_polygons._exact(phase) + deviation
            rows.append(
                {
                    "phase": phase,
                    "n": n,
                    "lambda_hat": estimate,
                    "lambda_hat_stayed": estimate if stayed else np.nan,
                    "low_stayed": estimate - 0.1,
                    "high_stayed": estimate + 0.1,
                    "chains": 24,
                    "chains_stayed": stayed,
                    "rhat": 1.0,
                    "acceptance": 0.8,
                    "seed": 0,
                }
            )
    return pd.DataFrame(rows)


def paper_table() -> pd.DataFrame:
    sets = [
        polygon_table(0.1 * number, 10).query("n == 5e3 and phase in ['5', '5+', '6']")
        for number in range(4)
    ]
    return pd.concat([rows.assign(data_set=number) for number, rows in enumerate(sets)])


def test_polygon_deviations_are_from_the_exact_coefficient():
    inputs = {"exact_kernel": [polygon_table(0.2, 24)], "paper": [paper_table()]}
    table, found = tms_polygons.measure(inputs, {})
    for phase in ("4", "4plus", "4plusplus", "5", "5plus", "6"):
        deviation = found[f"llc_deviation_{phase}_n500000"]
        assert deviation.value == pytest.approx(0.2)
        assert (deviation.low, deviation.high) == pytest.approx((0.1, 0.3))
        assert not deviation.doubt
    assert found["paper_llc_6_minus_5"].value == pytest.approx(1.5)
    assert set(table["source"]) == {"population", "paper"}


def test_polygons_that_every_chain_left_decide_nothing():
    inputs = {"exact_kernel": [polygon_table(0.0, 0)], "paper": [paper_table()]}
    _, found = tms_polygons.measure(inputs, {})
    assert "0 of 24 chains" in found["llc_deviation_4_n500000"].doubt
    assert found["stayed_settled"].value == 0


def posterior_draws(chains: int, sizes: list[int]) -> xr.Dataset:
    """Draws at exact polygons: the share of 6-gons is n / 800, the rest are 5-gons."""
    points = [np.concatenate([part.ravel() for part in polygon_parameters(k, 6)]) for k in (5, 6)]
    parameters = np.empty((1, len(sizes), chains, 8, 18), dtype=np.float32)
    for place, n in enumerate(sizes):
        for draw_number in range(8):
            parameters[0, place, :, draw_number] = points[int(draw_number < n // 100)]
    names = ("checkpoint", "n", "chain", "draw", "parameter")
    return xr.Dataset(
        {
            "parameters": (names, parameters),
            "exchange": (names[:3], np.full((1, len(sizes), chains), 0.7)),
        },
        coords={"n": np.array(sizes, dtype=float)},
        attrs={"seed": 0},
    )


def test_posterior_shares_cross_where_they_are_equal():
    sizes = [100, 200, 600]
    inputs = {
        "tempered": [posterior_draws(3, sizes)],
        "untempered": [posterior_draws(3, [200])],
        "data": [posterior_draws(3, sizes)],
    }
    settings = {"rate": 0.4, "steps": 20, "tolerance": 6e-4, "bootstrap": 20}
    table, found = tms_posterior.measure(inputs, settings)
    # odds 1/3 at 200 and 3 at 600: equal in the middle of their logarithms
    assert found["crossing_5_6"].value == pytest.approx((200 * 600) ** 0.5)
    assert found["data_crossing_5_6"].value == pytest.approx((200 * 600) ** 0.5)
    assert found["share_6_n600"].value == pytest.approx(0.75)
    assert found["rank_correlation_6"].value == pytest.approx(1)
    assert found["control_spread"].value == 0
    hull = table.query("by == 'hull' and source == 'population' and n == 600")
    assert hull["six"].tolist() == [0.75] * 3


def test_crossing_is_undefined_where_there_is_none():
    shares = np.full((3, 2), 0.2)
    found = tms_posterior._equal_size(
        np.arange(2), sizes=np.array([1.0, 2, 3]), first=shares, second=2 * shares, half=0.01
    )
    assert np.isnan(found)


def training_table(phases: list[str], estimates: list[float]) -> pd.DataFrame:
    """Three models, all going through the same phases, four checkpoints each."""
    levels = dict(zip(PHASES_6, tms_descent.LEVELS, strict=True))
    rows = [
        {
            "seed": 0,
            "model": model,
            "step": 100 * (4 * place + inner),
            "loss_population": levels[phase] + 1e-4,
            "lambda_hat": estimates[place],
            "escaped": 0,
            "chains": 4,
        }
        for model in range(3)
        for place, phase in enumerate(phases)
        for inner in range(4)
    ]
    return pd.DataFrame(rows)


def test_training_levels_and_transitions_are_counted():
    inputs = {"llc": [training_table(["4", "4+", "5"], [3.0, 4.0, 6.5])]}
    table, levels = tms_descent.measure(inputs, LEVELS)
    assert levels["share_on_levels"].value == 1
    assert levels["control_share_on_random_levels"].value < 0.5
    assert levels["rank_correlation_loss_estimate"].value == pytest.approx(-1)
    assert levels["estimate_5"].value == pytest.approx(6.5)
    changes, found = tms_transitions.measure(inputs, LEVELS)
    assert len(changes) == 6
    assert found["share_downward"].value == 1
    assert found["share_estimate_rises"].value == 1
    assert found["share_exact_rises"].value == 0.5  # 4 to 4+ rises, 4+ to 5 falls
    assert not found["share_exact_rises"].doubt
    # shuffled, a run goes up as often as down
    assert found["control_share_downward_shuffled"].value == pytest.approx(0.5, abs=0.1)
    assert set(table["phase"]) == {"4", "4+", "5"}


def test_runs_in_the_other_direction_are_not_counted_as_downward():
    inputs = {"llc": [training_table(["5", "4"], [6.5, 3.0])]}
    _, found = tms_transitions.measure(inputs, LEVELS)
    assert found["share_downward"].value == 0
    assert found["share_estimate_rises"].value == 0
    assert "3 transitions" in found["share_downward"].doubt


def test_chamber_mass_is_that_of_prior_samples():
    random = np.random.default_rng(0)
    length, bias = polygon(5, 6)
    angles = 2 * np.pi * np.arange(5) / 5
    columns = length * np.stack([np.cos(angles), np.sin(angles)])
    u, a = random.normal(size=(2, 200_000)), random.normal(size=200_000)
    reach = (columns.T @ u).max(0)
    inside = (reach + bias <= 0) & (a <= -np.maximum(np.maximum(reach, 0), (u**2).sum(0)))
    error = inside.std() / 200_000**0.5
    assert _chamber_mass(5, 6) == pytest.approx(inside.mean(), abs=4 * error)


def test_constants_move_the_crossing_below_the_formula():
    assert 100 < evidence_crossing(("5", "5+"), ("6",), 6) < 250


def test_figure_is_drawn_from_the_tables():
    sizes = [100, 200, 600]
    potential, _ = tms_potential.measure({}, {"points": 5, "seed": 3})
    polygons, _ = tms_polygons.measure(
        {"exact_kernel": [polygon_table(0.1, 24)], "paper": [paper_table()]}, {}
    )
    posterior, _ = tms_posterior.measure(
        {
            "tempered": [posterior_draws(3, sizes)],
            "untempered": [posterior_draws(3, [200])],
            "data": [posterior_draws(3, sizes)],
        },
        {"rate": 0.4, "steps": 2, "tolerance": 6e-4, "bootstrap": 5},
    )
    inputs = {"llc": [training_table(["4", "4+", "5"], [3.0, 4.0, 6.5])]}
    descent, _ = tms_descent.measure(inputs, LEVELS)
    transitions, _ = tms_transitions.measure(inputs, LEVELS)
    with styled():
        figure = draw(
            {
                "potential": potential,
                "polygons": polygons,
                "posterior": posterior,
                "descent": descent,
                "transitions": transitions,
            }
        )
    assert isinstance(figure, Figure)
    titles = {axis.get_title(loc="left") for axis in figure.axes}
    assert "Phases of the posterior (parallel tempering)" in titles

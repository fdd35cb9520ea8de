"""Findings on the refined LLC, on tables whose answer is planted."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from planted_heads import HEADS, STEPS, TYPES, ablations, behaviour, both, llc

from stagewise.figures.refined_llc import draw
from stagewise.figures.style import styled
from stagewise.findings import (
    refined_llc_bounds,
    refined_llc_circuit,
    refined_llc_controls,
    refined_llc_data,
    refined_llc_memory,
    refined_llc_roles,
    refined_llc_types,
)
from stagewise.findings.language_heads import head_scores, heads, need_equal_settings
from stagewise.settings import SettingsError


def curves(seed: int, *, types: list[str] = TYPES, shared: bool = False) -> dict[str, Any]:
    """Copying heads turn over at step 800, storing ones keep rising, matching ones stay low."""
    random = np.random.default_rng(seed)
    time = np.arange(len(STEPS), dtype=float)
    shapes = {
        "repeats": np.minimum(time, 6) - 2.5 * np.maximum(time - 6, 0),
        "rules": 1.5 * time,
        "markov": 0.5 * time + 3,
        "brackets": 0.1 * time,
    }
    chosen = ["rules"] * 8 if shared else types
    layer = [20 + time if head.startswith("0") else 5 + 2 * time for head in HEADS]
    return {
        head: base + shapes[kind] + 0.1 * random.normal(size=len(time))
        for head, base, kind in zip(HEADS, layer, chosen, strict=True)
    }


def inputs(**changes: Any) -> dict[str, Any]:
    found = {seed: curves(seed, **changes) for seed in range(3)}
    return {
        "heads": [llc(seed, found[seed], steps=STEPS) for seed in range(3)],
        "heads_strong": [
            llc(seed, {h: 2 * path[-1] for h, path in found[seed].items()}, nbeta=1000.0)
            for seed in range(3)
        ],
        "behaviour": [behaviour(seed) for seed in range(3)],
        "ablations": [ablations(seed) for seed in range(3)],
    }


TYPES_SETTINGS = {"permutations": 200, "redrawn": 10}


def test_scores_of_heads_become_rows() -> None:
    found = head_scores(both(1))
    assert len(found) == len(STEPS) * 8
    end = found[found["step"] == 4000].set_index("head")
    assert end["type"].tolist() == TYPES
    assert end["layer"].tolist() == [0] * 4 + [1] * 4
    assert end.loc["1:0", "prefix"] == pytest.approx(0.72, abs=1e-3)


def test_heads_need_scores_at_their_checkpoints_and_equal_settings() -> None:
    table = llc(0, dict.fromkeys(HEADS, 1.0), steps=[7])
    with pytest.raises(SettingsError, match="seed 0 were sampled at checkpoints"):
        heads([table], [both(0)])
    with pytest.raises(SettingsError, match="nbeta is 100, 300"):
        need_equal_settings(table, table.assign(nbeta=100.0))


def test_planted_types_are_found_in_the_curves() -> None:
    table, found = refined_llc_types.measure(inputs(), TYPES_SETTINGS)
    assert found["ari"].value == found["ari_layers"].value == 1
    assert found["ari"].low > 0.5
    assert found["ari_p"].value < 0.02
    assert found["variance_ratio"].value > 1.5
    assert found["ari_over_trace"].value > 0.5
    assert found["ari_over_norm"].value > 0.5
    assert abs(found["ari_shuffled"].value) < 0.35
    assert found["tether_ratio"].value == pytest.approx(0.8)
    assert len(table) == 3 * 8 * len(STEPS)
    assert len(table.drop_duplicates(["seed", "type", "cluster"])) == 3 * 3


def test_curves_that_do_not_know_the_types_do_not_agree_with_them() -> None:
    """The control: every head has the same curve but for noise."""
    _, found = refined_llc_types.measure(inputs(shared=True), TYPES_SETTINGS)
    assert found["ari"].value < 0.5
    assert found["ari_p"].value > 0.02
    assert found["variance_ratio"].value < 1


def test_chains_that_are_not_stationary_and_single_types_raise_doubts() -> None:
    given = inputs()
    given["heads"] = [one.assign(rhat=1.5) for one in given["heads"]]
    _, found = refined_llc_types.measure(given, TYPES_SETTINGS)
    assert "not stationary" in found["ari"].doubt
    given = inputs()
    given["behaviour"][1] = behaviour(1, types=["rules"] * 8)
    given["ablations"][1] = ablations(1, types=["rules"] * 8)
    _, found = refined_llc_types.measure(given, {"permutations": 5, "redrawn": 2})
    assert "one type: seed 1" in found["ari"].doubt


def test_roles_and_turning_points_are_those_planted() -> None:
    table, found = refined_llc_roles.measure(inputs(), {"attention": 0.5})
    assert found["simple_over_storing"].high < -0.2
    assert found["simple_over_storing_strong"].value == pytest.approx(
        found["simple_over_storing"].value
    )
    assert abs(found["simple_over_storing_trace"].value) < 0.15
    assert found["induction_fall"].value > 5
    assert found["storing_fall"].value == 0
    assert found["rise_together"].value > 0.9
    assert 0 < found["peak_time"].value < 0.5  # 800 over the half-rise near 690
    assert set(table.loc[table["attends"], "head"]) == {"0:0", "1:0"}
    assert (table.loc[table["type"] == "repeats", "peak"] == 800).all()


def test_rising_curves_do_not_turn_over() -> None:
    _, found = refined_llc_roles.measure(inputs(shared=True), {"attention": 0.5})
    assert found["induction_fall"].value == 0
    assert found["peak_time"].value > 2
    assert found["simple_over_storing"].value > -0.1


def test_half_rise_is_interpolated_in_the_logarithm() -> None:
    steps, scores = np.array([1, 10, 100, 1000]), np.array([0.0, 0.0, 1.0, 1.0])
    assert refined_llc_roles.half_rise(steps, scores) == pytest.approx(10**1.5)
    dipped = np.array([0.0, 1.0, 0.0, 1.0])
    assert refined_llc_roles.half_rise(steps, dipped) == pytest.approx(10**2.5)


def refined_inputs(*, shuffled: bool = False) -> dict[str, Any]:
    """A head's estimate on a source is three times that on the others where it serves it."""
    random = np.random.default_rng(0)
    given: dict[str, Any] = {
        "behaviour": [behaviour(seed) for seed in range(3)],
        "ablations": [ablations(seed) for seed in range(3)],
    }
    for source in refined_llc_data.ESTIMATES:
        given[source] = []
        for seed in range(3):
            values = {
                head: 10.0 + place
                if source == "mixture"
                else 8 + random.random() + 22 * (kind == source)
                for place, (head, kind) in enumerate(zip(HEADS, TYPES, strict=True))
            }
            if shuffled:
                values = dict(zip(HEADS, random.permutation(list(values.values())), strict=True))
            given[source].append(llc(seed, values))
    return given


def test_data_refinement_singles_out_the_induction_heads() -> None:
    table, found = refined_llc_data.measure(refined_inputs(), {"induction": 0.9, "redrawn": 50})
    assert set(table.loc[table["induction"], "head"]) == {"1:0"}
    assert found["largest_on_repeats"].value == 1
    assert found["specialisation"].value > 1.5
    assert found["follows_ablation"].value > found["follows_ablation_shuffled"].value
    assert table["largest_drift"].unique() == pytest.approx((300 * 0.01) ** 2 / 300)
    _, mixed = refined_llc_data.measure(
        refined_inputs(shuffled=True), {"induction": 0.9, "redrawn": 50}
    )
    assert mixed["follows_ablation"].value < found["follows_ablation"].value - 0.3
    assert mixed["specialisation"].low < 1.5


def memory_inputs(rise: float, *, learned: bool = True) -> dict[str, Any]:
    """Estimates grow by `rise` for every fourfold number of rules, and with a head's stored."""
    given: dict[str, Any] = {"heads": [], "parts": [], "behaviour": [], "ablations": []}
    for power, rules in enumerate((64, 256, 1024)):
        for seed in (0, 1):
            values = {head: 10 + rise * power + place for place, head in enumerate(HEADS)}
            given["heads"].append(llc(seed, values))
            parts = {name: 50 + rise * power for name in ("layer0", "layer1", "all")}
            given["parts"].append(llc(seed, parts))
            given["ablations"].append(ablations(seed))
            one = behaviour(seed, rules=rules)
            given["behaviour"].append(one if learned else one.assign(loss_triggered=3.4))
    return given


MEMORY = {"learned": 0.5, "redrawn": 100}


def test_estimates_grow_with_what_is_stored() -> None:
    table, found = refined_llc_memory.measure(memory_inputs(5.0), MEMORY)
    for component in ("head", "layer0", "layer1", "all"):
        assert found[f"dial_{component}"].value == 1
        assert found[f"dial_{component}_change"].value > 3
    assert found["within"].value == pytest.approx(1)
    assert found["within_shuffled"].value < 0.5
    assert abs(found["within_trace"].value) < 0.5
    storing = table[table["head"] == refined_llc_memory.STORING]
    assert (storing["ablation_triggered"] == storing["ablation_triggered"].max()).all()
    _, flat = refined_llc_memory.measure(memory_inputs(0.0), MEMORY)
    assert abs(flat["dial_head_change"].value) < 3
    _, falling = refined_llc_memory.measure(memory_inputs(-5.0), MEMORY)
    assert falling["dial_all"].value == -1


def test_rules_that_are_not_learned_decide_nothing() -> None:
    _, found = refined_llc_memory.measure(memory_inputs(5.0, learned=False), MEMORY)
    assert "not learned" in found["dial_head"].doubt
    assert not found["learned"].doubt


def circuit_inputs(slope: float) -> dict[str, Any]:
    singles = dict.fromkeys(HEADS, 10.0)
    pairs = {f"0:{a}+1:{b}": 20 + slope * 0.1 * (4 * a + b) for a in range(4) for b in range(4)}
    return {"heads": [llc(0, singles)], "pairs": [llc(0, pairs)], "behaviour": [behaviour(0)]}


@pytest.mark.parametrize("slope", [4.0, -4.0])
def test_excess_of_pairs_is_held_against_composition(slope: float) -> None:
    table, found = refined_llc_circuit.measure(circuit_inputs(slope), {"redrawn": 200})
    assert found["excess_k"].value == pytest.approx(np.sign(slope))
    assert found["excess_size_composition"].value == pytest.approx(1, abs=0.01)
    assert 0.2 < found["excess_shuffled"].value < 0.6
    assert abs(found["excess_v"].value) < 0.5
    assert table["standard_error"].to_numpy() == pytest.approx(0.1 * 3**0.5)
    assert found["excess_share"].value == pytest.approx(table["excess"].mean() / 20)


def bounds_inputs(*, whole: float = 60.0, head: float = 10.0) -> dict[str, Any]:
    values = {name: head + place for place, name in enumerate(HEADS)}
    return {
        "heads": [llc(0, values)],
        "heads_weak": [llc(0, {k: v / 3 for k, v in values.items()}, nbeta=100.0)],
        "heads_strong": [llc(0, {k: 2 * v for k, v in values.items()}, nbeta=1000.0)],
        "parts": [llc(0, {"layer0": 0.6 * whole, "layer1": 0.7 * whole, "all": whole})],
    }


def test_bounds_hold_where_planted_and_fail_where_not() -> None:
    table, found = refined_llc_bounds.measure(bounds_inputs(), {})
    assert found["over_layer"].value < 0
    assert found["over_all"].value < 0
    assert found["layer_over_all"].value < 0
    assert found["order_weak"].value == found["order_strong"].value == pytest.approx(1)
    assert found["saturation"].value == pytest.approx(np.log(2) / np.log(10 / 3))
    of_head = table[table["head"] == "1:2"]
    assert of_head["bound"].unique() == [2 * 64 * 16 - 16**2]
    assert found["over_bound"].value < 0.05
    _, broken = refined_llc_bounds.measure(bounds_inputs(whole=12.0), {})
    assert broken["over_layer"].value > 0
    _, huge = refined_llc_bounds.measure(bounds_inputs(head=2000.0), {})
    assert huge["over_bound"].value > 1


def test_controls_on_known_models() -> None:
    table, found = refined_llc_controls.measure(
        {},
        {
            "quadratics": 1,
            "quadratic": {"chains": 24, "steps": 400},
            "transformer": {"chains": 4, "steps": 40},
        },
    )
    assert found["quadratic_error"].value < 0.15
    assert found["quadratic_drift_error"].value < 0.15
    assert found["dead_head"].value == 0
    assert found["live_head"].value > 5
    assert found["whole_differs"].value == 0
    assert found["permuted_heads"].value < 3 < found["unpermuted_heads"].value
    assert set(table["control"]) == {
        "quadratic", "quadratic with gradient", "plain", "permuted", "dead"
    }  # fmt: skip


def tables() -> dict[str, pd.DataFrame]:
    return {
        "types": refined_llc_types.measure(inputs(), TYPES_SETTINGS)[0],
        "roles": refined_llc_roles.measure(inputs(), {"attention": 0.5})[0],
        "data": refined_llc_data.measure(refined_inputs(), {"induction": 0.9, "redrawn": 5})[0],
        "memory": refined_llc_memory.measure(memory_inputs(5.0), MEMORY)[0],
        "circuit": refined_llc_circuit.measure(circuit_inputs(4.0), {"redrawn": 5})[0],
        "bounds": refined_llc_bounds.measure(bounds_inputs(), {})[0],
    }


def test_figure_is_drawn_from_the_tables() -> None:
    with styled():
        figure = draw(tables())
        assert isinstance(figure, Figure)
        figure.draw_without_rendering()
    titles = {axis.get_title(loc="left") for axis in figure.axes}
    assert "Curves of the heads of layer 0" in titles

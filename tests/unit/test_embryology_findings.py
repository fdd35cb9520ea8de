"""Findings on embryos, on susceptibilities with a planted body, belly and fin."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from stagewise.figures import embryology
from stagewise.figures.style import styled
from stagewise.findings import (
    embryology_body,
    embryology_development,
    embryology_fin,
    embryology_maps,
    embryology_order,
    embryology_seeds,
)
from stagewise.findings.token_patterns import NAMES, heads, matrices, tokens_of, unreliable
from stagewise.settings import SettingsError

SHARES = {"markov": 0.2, "repeats": 0.2, "rules": 0.2, "brackets": 0.2, "indents": 0.2}
LENGTH = 32
MODEL = {"train": 8, "alone": 16, "refined": 8, "length": LENGTH, "grammar": {"shares": SHARES}}
HEADS = [f"{layer}:{head}" for layer in range(2) for head in range(4)]
STEPS = [0, 50, 200, 500, 1000]
FORMED = {0: 0.0, 50: 0.0, 200: 0.1, 500: 1.0, 1000: 1.1}
"""How far induction has formed at each step."""
SHAPE = (80, LENGTH)


def body(seed: int, steps: list[int], *, noise: float = 0.3, coupling: float = 1.0) -> xr.Dataset:
    """Every pattern at a place of its own from step 50 on, induction tokens apart as they form,
    counted runs along a last axis as they do; heads of every seed in an order of their own."""
    empty = xr.Dataset(coords={"sample": range(80), "token": range(LENGTH)})
    tokens = tokens_of(empty, MODEL)
    shared, own = np.random.default_rng(7), np.random.default_rng(seed)
    places = shared.standard_normal((len(NAMES), 8))
    places[NAMES.index("induction")] = places[NAMES.index("unforeseen")]
    directions = np.linalg.qr(shared.standard_normal((8, 8)))[0]
    each = shared.standard_normal((len(tokens.pattern), 8))  # of a token, the same in all seeds
    fragility = shared.standard_normal(len(tokens.pattern)) + 1.0 * tokens.of("induction")
    order = own.permutation(8)
    restricted, two_chain, losses = [], [], []
    for step in steps:
        formed, grown = FORMED[step], float(step > 0)
        cloud = grown * places[tokens.pattern] + coupling * 0.5 * each
        cloud += 4 * formed * np.outer(tokens.of("induction"), directions[0])
        cloud += (
            0.5 * coupling * formed * np.outer(tokens.of("spacing") * tokens.run, directions[1])
        )
        cloud = cloud[:, order]
        halves = cloud + noise * own.standard_normal((2, *cloud.shape))
        restricted.append(halves)
        two_chain.append(halves + 20 * fragility[:, None])
        losses.append(3.5 - 3 * min(formed, 1) * tokens.of("induction"))
    count = len(steps)

    def over(values: Any) -> np.ndarray:
        """(checkpoint, component, half, sample, token) with a component that is no head."""
        found = np.moveaxis(np.asarray(values), -1, 1).reshape(count, 8, 2, *SHAPE)
        return np.concatenate([found, found[:, :1]], axis=1)

    dims = ("checkpoint", "component", "half", "sample", "token")
    frail = np.broadcast_to(fragility.reshape(SHAPE), (count, 2, *SHAPE))
    return xr.Dataset(
        {
            "restricted": (dims, over(restricted)),
            "two_chain": (dims, over(two_chain)),
            "fragility": (("checkpoint", *dims[2:]), frail),
            "loss_at_centre": (("checkpoint", *dims[3:]), np.reshape(losses, (count, *SHAPE))),
            "rise": (dims[:3], np.full((count, 9, 2), 0.05)),
        },
        coords={"step": ("checkpoint", steps), "component": [*HEADS, "embed"]},
        attrs={"seed": seed},
    )


def behaviour() -> pd.DataFrame:
    gaps = [3 * min(FORMED[step], 1) for step in STEPS]
    first = np.full(len(STEPS), 3.5)
    return pd.DataFrame({"step": STEPS, "loss_first_copy": first, "loss_repeated": first - gaps})


ENDS = [body(seed, STEPS[-1:]) for seed in range(3)]
ALONG = body(0, STEPS)
NOISY = [body(seed, STEPS[-1:], noise=30) for seed in range(3)]


def drawn(tables: dict[str, pd.DataFrame]) -> Figure:
    with styled():
        figure = embryology.draw(tables)
        figure.canvas.draw()
    return figure


def developed(
    ends: list[xr.Dataset], along: xr.Dataset = ALONG
) -> tuple[pd.DataFrame, dict[str, Any]]:
    inputs = {"end": ends, "along": [along], "behaviour": [behaviour()]}
    settings = {"model": MODEL, "gap": 0.1, "bootstrap": 20}
    return embryology_development.measure(inputs, settings)


def test_columns_are_heads_and_of_deviation_one() -> None:
    assert heads(ENDS[0]) == HEADS
    for columns in matrices(ENDS[0].isel(checkpoint=0)).values():
        assert columns.shape == (80 * LENGTH, 8)
        assert columns.std(0) == pytest.approx(1)


def test_what_is_of_other_tokens_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"mixed: .* tokens, expected"):
        tokens_of(ENDS[0].isel(token=slice(0, 5)), MODEL)


def test_the_body() -> None:
    inputs = {"end": ENDS, "start": [ALONG], "untempered": [ALONG]}
    settings = {"model": MODEL, "permutations": 2, "bootstrap": 20}
    table, found = embryology_body.measure(inputs, settings)
    assert found["body_above_chance_restricted"].value > 0.5
    assert abs(found["body_permuted"].value) < 0.1
    assert found["body_same_sign"].value == 1
    assert found["body_share"].value > 0.9
    assert found["body_fragility"].value > 0.99
    assert found["body_induction"].value > 0.6
    assert found["body_reliability"].value > 0.8
    assert found["body_gain"].low is not None
    assert found["body_gain"].value == found["body_above_untempered"].value
    assert set(table["kind"]) == {"token", "accuracy", "axis", "head"}


def test_the_belly_thickens_as_induction_forms() -> None:
    table, found = developed(ENDS)
    assert found["development_separation"].low > 0.8
    assert found["development_before"].high < 0.5
    assert found["development_time"].value == 0
    assert found["development_order"].value > 0.8
    assert found["development_separation"].doubt == ""
    curve = table[(table["kind"] == "axis") & (table["matrix"] == "restricted")]
    assert curve["step"].tolist() == STEPS
    assert curve["separation"].iloc[-1] > 3 * curve["separation"].iloc[1]


def test_bigrams_are_told_before_induction_tokens() -> None:
    settings = {"model": MODEL, "told": 0.65, "bootstrap": 10}
    along = ALONG.isel(checkpoint=[1, 3])
    table, found = embryology_order.measure({"along": [along]}, settings)
    assert found["order_bigram_first_unforeseen"].value == pytest.approx(np.log2(51 / 501))
    assert found["order_bigram_first_unforeseen"].high < 0
    assert found["order_seeds"].n == 1
    assert len(table) == 2 * 3 * (9 + 8)


def test_noise_of_another_seed_puts_no_doubt_on_the_first() -> None:
    settings = {"model": MODEL, "told": 0.65, "bootstrap": 10}
    first, other = ALONG.isel(checkpoint=[1, 3]), ALONG.isel(checkpoint=[3]).assign_attrs(seed=1)
    noise = np.random.default_rng(0).normal(size=other["restricted"].shape)
    other["restricted"] = other["restricted"].dims, noise
    table, found = embryology_order.measure({"along": [first, other]}, settings)
    assert found["order_seeds"].n == 2
    assert "halves of the draws" in found["order_seeds"].doubt
    assert found["order_bigram_first_unforeseen"].doubt == ""
    assert set(table["pattern"][table["seed"] == 1]) == {"bigram", "induction"}


def test_columns_that_do_not_agree_decide_nothing() -> None:
    _, found = developed(NOISY, ALONG.isel(checkpoint=[0, -1]))
    assert "times as many draws would decide" in unreliable(NOISY[0].isel(checkpoint=0))
    assert "would decide" in found["development_separation"].doubt
    assert found["development_separation_two_chain"].doubt == ""
    assert found["development_before"].doubt == ""  # which rests on other draws


def test_the_fin() -> None:
    inputs = {"end": ENDS, "along": [ALONG]}
    settings = {"model": MODEL, "run": 4, "bootstrap": 20}
    table, found = embryology_fin.measure(inputs, settings)
    assert found["fin_correlation"].low > 0.7
    assert found["fin_gain"].low > 0.3
    assert found["fin_purity"].value > 3
    assert found["fin_above_loss"].value > 0.3
    assert found["fin_inside"].value > 0.5
    assert 0 <= found["fin_share"].value <= 1
    curve = table[(table["kind"] == "curve") & (table["matrix"] == "restricted")]
    assert curve["value"].iloc[0] < 0.3 < curve["value"].iloc[-1]


@pytest.mark.parametrize(("coupling", "alike"), [(2.0, True), (0.0, False)])
def test_seeds_are_alike_beyond_patterns_where_tokens_are(coupling: float, alike: bool) -> None:
    ends = [body(seed, STEPS[-1:], coupling=coupling) for seed in range(3)]
    settings = {"model": MODEL, "tokens": 200, "permutations": 30, "bootstrap": 10}
    table, found = embryology_seeds.measure({"end": ends}, settings)
    assert found["seeds_similarity_restricted"].value > 0.5
    assert found["seeds_above_null_restricted"].low > 0
    assert (found["seeds_above_patterns_restricted"].value > 0.02) == alike
    assert found["seeds_cka"].value > 0.9
    assert len(table) == 9
    assert table["halves"].between(0.5, 1).all()


def planar(places: int, along: xr.Dataset) -> tuple[pd.DataFrame, dict[str, Any]]:
    settings = {"model": MODEL, "tokens": places, "steps": [0, 190], "neighbours": [10, 20]}
    return embryology_maps.measure({"end": ENDS, "along": [along]}, settings)


def test_maps_keep_neighbours_and_shuffled_columns_do_not() -> None:
    table, found = planar(150, ALONG)
    shown = table[table["kind"] == "token"]
    assert sorted(shown.loc[shown["map"] == "two_chain", "step"].unique()) == [0, 200, 1000]
    assert (shown.groupby(["map", "step"]).size() == 150).all()
    assert found["maps_overlap"].value > found["maps_overlap_shuffled"].value > 0.1
    assert found["maps_trust"].value > 0.8


def test_the_page_has_a_panel_for_everything() -> None:
    along, few = ALONG.isel(checkpoint=[0, 3]), {"model": MODEL, "bootstrap": 4}
    ends = {"end": ENDS, "along": [along]}
    tables = {
        "body": embryology_body.measure(
            {"end": ENDS, "start": [along], "untempered": [along]}, few | {"permutations": 1}
        ),
        "development": embryology_development.measure(
            ends | {"behaviour": [behaviour()]}, few | {"gap": 0.1}
        ),
        "order": embryology_order.measure({"along": [along]}, few | {"told": 0.65}),
        "fin": embryology_fin.measure(ends, few | {"run": 4}),
        "seeds": embryology_seeds.measure({"end": ENDS}, few | {"tokens": 60, "permutations": 2}),
        "maps": planar(60, along),
    }
    figure = drawn({name: table for name, (table, _) in tables.items()})
    titled = [axis for axis in figure.axes if axis.get_title(loc="left")]
    assert len(titled) == 12  # all panels but those of two checkpoints more
    assert all(axis.has_data() for axis in titled)

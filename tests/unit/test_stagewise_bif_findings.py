"""Figure 3's toy parts on draws of a known law."""

import numpy as np
import pandas as pd
import torch
import xarray as xr

from stagewise.data.semantic_hierarchy import tree
from stagewise.findings import (
    stagewise_bif_dynamics,
    stagewise_bif_hierarchy,
    stagewise_bif_phases,
    stagewise_bif_retraining,
    stagewise_bif_unstructured,
)
from stagewise.testbeds.testbed import Points
from stagewise.theory.linear_learning import aligned

RATE, STEPS, EVERY = 0.05, 800, 40


def trajectory(seed: int) -> Points:
    one, two = aligned(tree(), width=10, start=1e-3, seed=seed)
    rows, weights = [], []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            rows.append({"step": step, "learning_rate": RATE, "seed": seed})
            weights.append((one, two))
        error = (two @ one - tree()) * RATE / 8
        one, two = one - two.T @ error, two - error @ one.T
    return Points(
        {
            name: torch.from_numpy(np.stack([pair[place] for pair in weights]))
            for place, name in enumerate(("W1", "W2"))
        },
        pd.DataFrame(rows),
    )


def tether_draws(points: Points, gamma: float, places: list[int], chains: int = 8) -> xr.Dataset:
    """Losses at independent draws of N(w*, 1/gamma), the law at n beta = 0."""
    random = np.random.default_rng(0)
    losses = []
    for place in places:
        one, two = (points.parameters[name][place].numpy() for name in ("W1", "W2"))
        noise = [random.standard_normal((chains, 500, *w.shape)) / gamma**0.5 for w in (one, two)]
        losses.append((((two + noise[1]) @ (one + noise[0]) - tree()) ** 2).sum(-2) / 2)
    at = points.index.iloc[places]
    return xr.Dataset(
        {
            "items_loss": (
                ("checkpoint", "n", "chain", "items_draw", "items_sample"),
                np.stack(losses)[:, None],
            ),
            "nbeta": ("n", [0.0]),
            "localization": gamma,
            "epsilon": (("checkpoint", "n"), np.zeros((len(places), 1))),
        },
        coords={name: ("checkpoint", at[name].to_numpy()) for name in ("step", "learning_rate")},
        attrs={"seed": int(at["seed"].iloc[0])},
    )


def inputs() -> dict[str, list]:
    found: dict[str, list] = {name: [] for name in ("checkpoints", "sgld", "early", "tethered")}
    for seed in (0, 1):
        points = trajectory(seed)
        every = list(range(len(points.index)))
        found["checkpoints"].append(points)
        found["sgld"].append(tether_draws(points, 1000.0, every))
        found["early"].append(tether_draws(points, 1000.0, every[3:5], chains=32))
        found["tethered"].append(tether_draws(points, 2000.0, every[::4]))
    return found | {"untempered": found["sgld"]}


def test_hierarchy_on_exact_draws() -> None:
    table, found = stagewise_bif_hierarchy.measure(inputs(), {"every": 5})
    assert found["hierarchy_pearson"].value > 0.99
    assert 0.95 < found["hierarchy_slope"].value < 1.05
    assert found["hierarchy_frobenius"].value < 0.06
    assert abs(found["hierarchy_permuted_pearson"].value) < 0.3
    assert 1.9 < found["hierarchy_tether_ratio"].value < 2.1
    assert found["hierarchy_flip_order"].value > 0
    assert found["hierarchy_peak_outside"].value <= 2.0
    assert found["hierarchy_branch_order"].value == 1
    assert set(table["kind"]) == {"influence", "pair", "mode", "hidden"}


def test_retraining_agrees_with_the_sampled_influence() -> None:
    given = inputs()
    chosen = {name: given[name] for name in ("checkpoints", "sgld")}
    _, found = stagewise_bif_retraining.measure(chosen, {"window": 4.0, "every": 2.0})
    assert found["retraining_loo"].value > 0.5
    assert found["retraining_bif"].value > 0.5
    assert found["retraining_window_ratio"].value > 1


def order(draws: list[xr.Dataset]) -> float:
    return stagewise_bif_unstructured.measure({"sgld": draws}, {})[1]["unstructured_order"].value


def test_the_tree_has_its_order_and_other_items_have_not() -> None:
    given = inputs()["sgld"]
    assert order(given) == 1
    swapped = [0, 4, 2, 3, 1, 5, 6, 7]  # cat and oak
    assert order([d.assign(items_loss=d.items_loss[..., swapped]) for d in given]) == 0


def test_dynamics_and_phases() -> None:
    settings = {"rate": 0.02, "until": 30.0, "start": 1e-3, "width": 16}
    table, found = stagewise_bif_dynamics.measure({}, settings)
    assert found["dynamics_error_max"].value < 0.04
    assert 1.7 < found["dynamics_halving_ratio"].value < 2.3
    assert found["dynamics_peak_cat"].value == 20
    assert set(table["kind"]) == {"mode", "influence"}
    _, found = stagewise_bif_phases.measure({}, {"nbeta": 60.0, "most": 0.5, "points": 201})
    assert found["phases_identity_max"].value < 1e-12
    assert found["phases_sign_changes"].value == 1

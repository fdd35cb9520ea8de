"""Chains restricted to a component move there and nowhere else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from stagewise.engine.program import Program
from stagewise.engine.sample import sample
from stagewise.engine.sampling import ALL, Observation, Sampling
from stagewise.estimators.llc import local_learning_coefficient
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Observable, Points, Testbed
from stagewise.theory.langevin import gaussian_excess

CURVATURES = torch.tensor([1.0, 4.0, 2.0, 0.5, 3.0], dtype=torch.float64)


def bowl(components: dict[str, Any]) -> Testbed:
    """L = sum of h_i w_i^2 / 2 in two parameters, of three and of two coordinates."""

    def losses(w: Any, constants: Any, batch: Any) -> torch.Tensor:
        both = torch.cat([w["a"], w["b"].flatten()])
        return (CURVATURES * both.square()).sum()[None] / 2

    points = Points(
        {"a": torch.zeros(2, 3).double(), "b": torch.zeros(2, 1, 2).double()},
        pd.DataFrame({"step": [0, 1]}),
    )
    return Testbed("bowl", losses, points=lambda: points, components=components)


def masks(**chosen: list[Any]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(mask, dtype=torch.bool) for name, mask in chosen.items()}


HALVES = {"first": masks(a=[1, 1, 0]), "second": masks(a=[0, 0, 1], b=[[1, 1]])}


def run(testbed: Testbed, **changes: Any) -> xr.Dataset:
    settings: dict[str, Any] = {
        "kernel": "sgld",
        "n": [1000.0],
        "localization": 2.0,
        "epsilon": 0.2,
        "epsilon_unit": "curvature",
        "steps": 4000,
        "burn_in": 500,
        "chains": 64,
    }
    assert testbed.points is not None
    sampling = Sampling(**(settings | changes))
    return sample(testbed, testbed.points(), sgld, sampling, seed=5, report=silent)


def test_the_rest_is_held_and_the_estimate_is_that_of_the_component() -> None:
    """Within four standard errors, below 1 %, of the closed form over its curvatures."""
    draws = run(bowl(HALVES), components=["first", "all", "second"], chains=128)
    assert draws.excess_loss.dims == ("checkpoint", "component", "n", "chain", "draw")
    assert draws.dimension.sel(checkpoint=0).values.tolist() == [2, 5, 3]
    nbeta = float(draws.nbeta[0])
    for component, chosen in {"first": [0, 1], "all": [0, 1, 2, 3, 4], "second": [2, 3, 4]}.items():
        part = draws.sel(component=component, checkpoint=1, n=1000.0)
        expected = gaussian_excess(
            CURVATURES[chosen].tolist(),
            n_beta=nbeta,
            localization=2.0,
            epsilon=float(part.epsilon),
        )
        found = local_learning_coefficient(part.assign(nbeta=nbeta))
        assert float(found.standard_error) < 0.01 * expected
        assert abs(float(found.lambda_hat) - expected) < 4 * float(found.standard_error)


def test_held_coordinates_do_not_move() -> None:
    draws = run(bowl(HALVES), components=["second"], record=["parameters"], steps=600)
    moved = np.abs(draws.parameters).max(["checkpoint", "component", "n", "chain", "draw"]).values
    assert (moved[:2] == 0).all()
    assert (moved[2:] > 0).all()


def test_company_does_not_matter_and_all_is_no_restriction() -> None:
    """Bit for bit: adding components changes nothing about a chain."""
    testbed = bowl(HALVES)
    alone, among = run(testbed, steps=600), run(testbed, components=["first", "all"], steps=600)
    second = run(testbed, components=["second", "first"], steps=600)
    np.testing.assert_array_equal(alone.excess_loss, among.excess_loss.sel(component="all"))
    np.testing.assert_array_equal(
        second.excess_loss.sel(component="first"), among.excess_loss.sel(component="first")
    )


def test_rows_that_move_other_parameters_keep_their_places() -> None:
    """Rows are stepped in groups of equal gradients: `first` moves a alone, `second` both."""
    testbed = bowl(HALVES)
    seen = Observable(
        lambda w, c, batch: testbed.losses(w, c, batch) + batch["x"], {"x": torch.ones(3)}
    )
    testbed = replace(testbed, observables={"seen": seen})
    short = {"steps": 20, "burn_in": 0, "chains": 2, "observables": {"seen": Observation()}}
    together = run(testbed, components=["first", ALL, "second"], **short)
    assert len(np.unique(together.seen_loss)) > 200
    for component in ("first", ALL, "second"):
        alone = run(testbed, components=[component], **short)
        for name in ("excess_loss", "seen_loss", "distance"):
            one = together[name].sel(component=[component])
            np.testing.assert_array_equal(one, alone[name], err_msg=name)


def test_gradients_of_what_does_not_move_are_not_taken() -> None:
    testbed = bowl({})
    shapes = {"a": (3,), "b": (1, 2)}
    program = Program(testbed.losses, shapes, {}, rows=1)
    position = torch.randn(4, 5, dtype=torch.float64)
    loss, whole = program.loss_and_gradient(position, {})
    same, part = program.loss_and_gradient(position, {}, moving=["b"])
    assert torch.equal(loss, same)
    assert torch.equal(part[:, 3:], whole[:, 3:])
    assert not part[:, :3].any()


def test_components_have_random_numbers_of_their_own() -> None:
    """In a separable bowl shared numbers would move a coordinate alike in both."""
    draws = run(bowl(HALVES), components=["first", "all"], steps=1000, record=["parameters"])
    one, other = (
        draws.parameters.sel(component=name).isel(parameter=1) for name in ("first", "all")
    )
    assert abs(float(xr.corr(one, other, "draw").mean())) < 0.05


@pytest.mark.parametrize(
    ("components", "asked", "error", "message"),
    [
        (HALVES, "third", SettingsError, "no component 'third'; it has all, first, second"),
        (
            {"bad": masks(a=[1, 1])},
            "bad",
            ValueError,
            r"bad\.a: shape \(2,\), expected",
        ),
        ({"bad": masks(c=[1])}, "bad", ValueError, r"components\.bad\.c: .* no such parameter"),
        ({"none": masks(a=[0, 0, 0])}, "none", ValueError, r"components\.none: no coordinate of"),
    ],
)
def test_masks_that_make_no_sense(
    components: dict[str, Any], asked: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(bowl(components), components=[asked])

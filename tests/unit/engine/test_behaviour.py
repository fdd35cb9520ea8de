"""Scores and outputs of checkpoints, and posteriors of other data than the testbed's own."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stagewise.engine.behaviour import outputs, score_table
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.settings import SettingsError
from stagewise.testbeds.testbed import Points, Testbed

POINTS = Points({"w": torch.tensor([[1.0], [3.0]])}, pd.DataFrame({"step": [0, 5], "loss": [9, 9]}))


def losses(w: Any, constants: Any, batch: Any) -> torch.Tensor:
    return (w["w"] - batch["x"]).square() / 2


LINE = Testbed(
    "line",
    losses,
    data={"x": torch.linspace(0, 2, 101)},
    evaluation={"x": torch.tensor([4.0, 6.0])},
    distributions={"far": {"x": torch.full((50,), 10.0)}},
    points=lambda: POINTS,
    behaviour=lambda w: {"weight": float(w["w"]), "loss": 2 * float(w["w"])},
    ablations=lambda w: {"loss without 0": float(w["w"]) ** 2},
    outputs=lambda w: torch.cat([w["w"], -w["w"]]),
)
SAMPLING: dict[str, Any] = {
    "kernel": "sgld",
    "n": [100.0],
    "beta": 1.0,
    "localization": 10.0,
    "epsilon": 1e-3,
    "steps": 30,
    "burn_in": 10,
    "chains": 2,
    "batch": 8,
}


def draws(testbed: Testbed, **changes: Any) -> Any:
    settings = Sampling(**(SAMPLING | changes))
    return sample(testbed, POINTS, sgld, settings, seed=0, report=silent)


def test_scores_stand_beside_the_index_and_take_the_place_of_their_names() -> None:
    table = score_table(LINE, POINTS, "behaviour")
    assert list(table.columns) == ["step", "weight", "loss"]
    assert list(table["weight"]) == [1, 3]
    assert list(table["loss"]) == [2, 6]


def test_what_is_lost_is_a_table_of_its_own() -> None:
    table = score_table(LINE, POINTS, "ablations")
    assert list(table.columns) == ["step", "loss", "loss without 0"]
    assert list(table["loss without 0"]) == [1, 9]


def test_outputs_are_a_path() -> None:
    found = outputs(LINE, POINTS)
    assert found.outputs.dims == ("checkpoint", "output")
    np.testing.assert_array_equal(found.outputs, [[1, -1], [3, -3]])
    np.testing.assert_array_equal(found.step, [0, 5])


@pytest.mark.parametrize(
    ("call", "name", "what"),
    [
        (partial(score_table, name="behaviour"), "behaviour", "scores of what a model can do"),
        (partial(score_table, name="ablations"), "ablations", "scores of what a model loses"),
        (outputs, "outputs", "outputs"),
    ],
)
def test_a_testbed_without(call: Any, name: str, what: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: line has no {what}"):
        call(replace(LINE, behaviour=None, ablations=None, outputs=None), POINTS)


def test_losses_are_reported_on_the_evaluation_data() -> None:
    found = draws(LINE)
    np.testing.assert_allclose(found.loss_at_centre, [(9 + 25) / 4, (1 + 9) / 4])
    whole = draws(replace(LINE, evaluation={}))
    assert float(whole.loss_at_centre[0]) == pytest.approx(0.17, abs=0.01)
    np.testing.assert_array_equal(found.excess_loss, whole.excess_loss)  # chains see the data


def test_the_posterior_of_another_distribution_is_that_of_its_data() -> None:
    refined = draws(LINE, distribution="far")
    own = replace(LINE, data=LINE.distributions["far"], evaluation={})
    np.testing.assert_array_equal(refined.excess_loss, draws(own).excess_loss)
    np.testing.assert_allclose(refined.loss_at_centre, [81 / 2, 49 / 2])
    with pytest.raises(
        SettingsError, match=r"distribution: line has no data of 'near'; it has far"
    ):
        draws(LINE, distribution="near")

import pandas as pd
import pytest
import torch

from stagewise.progress import silent
from stagewise.settings import SettingsError
from stagewise.settings import build as build_settings
from stagewise.testbeds.digits_mlp import build
from stagewise.training.loop import train
from stagewise.training.training import Training

SETTINGS = {
    "configurations": [
        {"learning_rate": 0.3, "batch": 32},
        {"learning_rate": 0.05, "batch": 32},
        {"learning_rate": 0.3},
    ],
    "steps": 48,
    "target_losses": [2.0, 1.6],
    "target_steps": 480,
    "descend_from": 1.05,
    "descent_rate": 0.2,
    "evaluate_every": 8,
}


def _train(**changes):
    testbed = build({"hidden": [8], "train": 200}, 0)
    training = build_settings(Training, SETTINGS | changes, "training")
    return testbed, train(testbed, training, seed=0, report=silent)


@pytest.fixture(scope="module")
def trained():
    return _train()


def _losses(testbed, points):
    found = []
    for row in range(len(points)):
        weights = {name: tensor[row] for name, tensor in points.parameters.items()}
        found.append(float(testbed.losses(weights, {}, testbed.data).mean()))
    return pd.Series(found)


def test_targets_are_met_and_losses_are_those_of_the_weights(trained):
    testbed, points = trained
    index = points.index
    met = index[index["kind"] == "target"]
    assert len(met) == 6
    assert (met["loss"] - met["target"]).abs().max() < 1e-5
    passed = index[index["kind"] == "passage"]
    assert (passed["loss"] - 1.05 * passed["target"]).abs().max() < 1e-4
    assert (_losses(testbed, points) - index["loss"]).abs().max() < 1e-5


def test_models_go_on_only_while_a_target_is_ahead(trained):
    _, points = trained
    index = points.index
    assert (index.loc[index["kind"] == "scheduled", "step"] == 48).all()
    slow = index[(index["configuration"] == 1) & (index["kind"] == "passage")]
    assert slow["step"].max() > 48
    _, short = _train(target_steps=None)
    assert short.index["step"].max() == 48


def test_letting_go_of_models_changes_no_other(trained):
    _, points = trained
    _, alone = _train(configurations=[{"learning_rate": 0.3, "batch": 32}])
    mine = points.at(points.places({"configuration": 0}))
    assert list(mine.index["step"]) == list(alone.index["step"])
    for name, tensor in alone.parameters.items():
        # Other shapes of the batched product may round differently.
        torch.testing.assert_close(mine.parameters[name], tensor, atol=1e-4, rtol=1e-4)


def test_without_descent_the_crossing_itself_is_kept():
    _, points = _train(descend_from=1.0)
    kinds = set(points.index["kind"])
    assert kinds == {"start", "scheduled", "target"}
    met = points.index[points.index["kind"] == "target"]
    assert (met["loss"] - met["target"]).abs().max() < 1e-5
    assert (met["descended"] == 0).all()


def test_target_out_of_reach_has_no_checkpoint():
    _, points = _train(descent_steps=1, descent_rate=1e-6)
    assert "target" not in set(points.index["kind"])
    assert "passage" in set(points.index["kind"])


def test_settings_that_contradict_are_refused():
    with pytest.raises(SettingsError, match="target_steps: must be at least steps = 48"):
        build_settings(Training, SETTINGS | {"target_steps": 10}, "training")
    with pytest.raises(SettingsError, match="descend_from: must be at least 1"):
        build_settings(Training, SETTINGS | {"descend_from": 0.5}, "training")

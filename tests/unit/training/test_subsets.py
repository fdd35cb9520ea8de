"""Retraining on subsets."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stagewise.progress import silent
from stagewise.resume import SideFile
from stagewise.settings import SettingsError
from stagewise.testbeds import digits_mlp
from stagewise.training import subsets
from stagewise.training.loop import train
from stagewise.training.retraining import Retraining
from stagewise.training.training import Configuration, Training

MODEL = {"hidden": [4], "train": 24, "test": 7, "activation": "tanh", "penalty": 1e-2}
ADAM = Training([Configuration(0.02, optimizer="adamw", warmup=3)], steps=12, linear_checkpoints=0)


@pytest.fixture
def testbed():
    return digits_mlp.build(MODEL, 0)


def test_all_data_give_what_training_gives(testbed, monkeypatch):
    """A subset of everything, from the same weights, by the one training loop."""
    original = testbed.initial
    fixed = replace(testbed, initial=lambda stream: original(torch.Generator().manual_seed(5)))
    found = subsets.retrained(fixed, ADAM, Retraining([1.0], 2, 1, "test"), seed=0, report=silent)
    points = train(fixed, ADAM, seed=0, report=silent)
    last = {name: tensor[-1] for name, tensor in points.parameters.items()}
    observable = testbed.observables["test"]
    wanted = observable.losses(last, {}, observable.data)
    for subset in (0, 1):  # in another order of the samples, hence not to the last bit
        assert found.loss[0, subset, 0].values == pytest.approx(wanted.numpy(), rel=1e-3)


def test_subsets_have_their_size_and_only_they_count(testbed):
    retraining = Retraining([0.25, 0.5], 3, 2, "test")
    found = subsets.retrained(testbed, ADAM, retraining, seed=0, report=silent)
    assert found.loss.dims == ("share", "subset", "repeat", "query")
    assert found.loss.shape == (2, 3, 2, 7)
    assert (found.member.sum("sample").values == [[6], [12]]).all()
    outside = np.flatnonzero(~found.member.values[0, 0])
    changed = testbed.data["x"].clone()
    changed[outside] = 9.0
    other = replace(testbed, data={**testbed.data, "x": changed})
    again = subsets.retrained(other, ADAM, retraining, seed=0, report=silent)
    assert np.array_equal(found.loss.values[0, 0], again.loss.values[0, 0])
    assert not np.array_equal(found.loss.values[0, 1], again.loss.values[0, 1])


def test_goes_on_where_it_was_stopped(testbed, tmp_path, monkeypatch):
    monkeypatch.setattr(subsets, "TOGETHER", 2)
    monkeypatch.setattr("stagewise.resume.EVERY", 0.0)
    retraining = Retraining([0.5], 3, 2, "test")
    whole = subsets.retrained(testbed, ADAM, retraining, seed=0, report=silent)

    def stop(done, note=""):
        if done >= 8:
            raise KeyboardInterrupt

    side_file = SideFile(tmp_path / "side", "work")
    with pytest.raises(KeyboardInterrupt):
        subsets.retrained(testbed, ADAM, retraining, seed=0, report=stop, side_file=side_file)
    trained = []
    original = subsets._trained
    monkeypatch.setattr(subsets, "_trained", lambda *args: trained.append(1) or original(*args))
    resumed = subsets.retrained(
        testbed,
        ADAM,
        retraining,
        seed=0,
        report=silent,
        side_file=SideFile(tmp_path / "side", "work"),
    )
    assert resumed.identical(whole)
    assert 0 < len(trained) < 3


def test_a_diverged_model_is_named(testbed):
    wild = Training([Configuration(1e30)], steps=3)
    with pytest.raises(RuntimeError, match="learning_rate"):
        subsets.retrained(testbed, wild, Retraining([0.5], 1, 1, "test"), seed=0, report=silent)


@pytest.mark.parametrize(
    ("training", "retraining", "message"),
    [
        (ADAM, Retraining([0.5], 1, 1, "queries"), "no 'queries'; it has train, test"),
        (Training([Configuration(0.1, batch=4)], 3), Retraining([0.5], 1, 1, "test"), "batch"),
    ],
)
def test_what_does_not_go_together_is_refused(testbed, training, retraining, message):
    with pytest.raises(SettingsError, match=message):
        subsets.retrained(testbed, training, retraining, seed=0, report=silent)


@pytest.mark.parametrize(
    ("values", "named"), [(([], 1, 1), "shares"), (([1.5], 1, 1), "shares"), (([0.5], 0, 1), "sub")]
)
def test_bad_settings_are_named(values, named):
    with pytest.raises(ValueError, match=named):
        Retraining(*values, "test")

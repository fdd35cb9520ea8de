"""Attribution in a fine-tuned language model: known scores, and what starts where another ended."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from stagewise.artifacts import ArtifactError
from stagewise.data.tokens import Tokens
from stagewise.findings import bif_finetuning
from stagewise.progress import silent
from stagewise.testbeds import gpt_neox
from stagewise.training import trajectory
from stagewise.training.loop import train
from stagewise.training.retraining import Retraining
from stagewise.training.subsets import retrained
from stagewise.training.training import Configuration, Training

MODEL: dict[str, Any] = {
    "corpus": "c", "length": 6, "width": 8, "heads": 2, "layers": 1, "train": 16, "test": 5,
}  # fmt: skip
SETTINGS = {"model": MODEL, "dampings": [1.0, 10.0], "labels": 4, "bootstrap": 20}
TRAINING = Training([Configuration(0.02)], steps=10, linear_checkpoints=0)


def corpus() -> Tokens:
    random = np.random.default_rng(0)
    streams = [random.integers(1, 20, 300).astype(np.uint16) for _ in range(2)]
    return Tokens(20, {"a": streams[0]}, {"a": streams[1]})


def inputs(seed: int, library: xr.Dataset) -> dict[str, Any]:
    testbed = gpt_neox.build(MODEL, seed, corpus())
    assert testbed.initial is not None
    weights = testbed.initial(torch.Generator().manual_seed(seed))
    testbed = replace(testbed, initial=lambda stream: dict(weights))
    points = train(testbed, TRAINING, seed=seed, report=silent)
    points.index["seed"] = seed
    truth = retrained(testbed, TRAINING, Retraining([0.5], 40, 1, "test"), seed=seed, report=silent)
    random = np.random.default_rng(seed)
    made = {}
    for name, count in (("train", 16), ("test", 5)):
        dims = ("checkpoint", "n", "chain", f"{name}_draw", f"{name}_sample")
        losses = 3 + random.standard_normal((1, 1, 2, 40, count))
        made[f"{name}_loss"] = (dims, losses)
        made[f"{name}_loss_at_centre"] = ((dims[0], dims[4]), np.full((1, count), 2.5))
    return {
        "checkpoints": points,
        "retrained": truth,
        "main": xr.Dataset(made),
        "kronfluence": library,
    }


def measured(library: xr.Dataset) -> tuple[Any, dict[str, Any]]:
    runs = [inputs(seed, library) for seed in range(2)]
    given = {name: [run[name] for run in runs] for name in runs[0]}
    return bif_finetuning.measure({**given, "tokens": [corpus()]}, SETTINGS)


def test_damped_influence_foretells_and_noise_does_not() -> None:
    noise = np.random.default_rng(0).standard_normal((16, 5))
    scores = xr.Dataset({"scores": (("train", "query"), noise)})
    table, found = measured(scores)
    score = table.set_index("attribution")["score"]
    assert score[["damped 1", "damped 10", "gradients"]].min() > 0.5
    assert abs(score["bif"]) < 0.4
    assert found["finetuning_damped_minus_bif_50"].value > 0.3
    assert found["finetuning_loss_rise"].value == pytest.approx(0.2, abs=0.05)
    assert "ceiling" not in score
    assert "half" not in score
    assert not found["finetuning_bif_50"].doubt
    assert "more draws would decide" in found["finetuning_damped_minus_bif_50"].doubt


def test_a_missing_library_is_named() -> None:
    table, found = measured(xr.Dataset(attrs={"missing": "install it"}))
    assert found["finetuning_ekfac_minus_bif_50"].missing == "install it"
    assert "ekfac" not in set(table["attribution"])


def test_models_start_where_another_run_ended(tmp_path) -> None:
    testbed = gpt_neox.build(MODEL, 0, corpus())
    points = train(testbed, TRAINING, seed=0, report=silent)
    path = tmp_path / "checkpoints.safetensors"
    trajectory.save(path, points, testbed="gpt_neox", provenance={})
    started = trajectory.started(testbed, path)
    again = train(started, TRAINING, seed=5, report=silent)
    for name, tensor in again.parameters.items():
        assert torch.equal(tensor[0], points.parameters[name][-1])
    assert trajectory.started(testbed, None) is testbed
    other = gpt_neox.build(MODEL | {"width": 12}, 0, corpus())
    with pytest.raises(ArtifactError, match="weights of another model"):
        trajectory.started(other, path)

"""Trajectories on disk: what goes in comes out, and what is damaged says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from stagewise.artifacts import ArtifactError
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.training import trajectory


def points(**changes: Any) -> Points:
    index = pd.DataFrame(
        {
            "step": [0, 5, 10],
            "loss": [1 / 3, np.nan, 1e-17],
            "name": ["a", None, "λ"],
            "batch": [0, 32, 64],
        }
    )
    parts: dict[str, Any] = {
        "parameters": {"A": torch.randn(3, 2, 2, dtype=torch.float64), "b": torch.randn(3)},
        "index": index,
        "constants": {"k": torch.tensor([1, 2, 3])},
        "masks": {"b": torch.tensor([True, False, True])},
    }
    return Points(**(parts | changes))


def save(path: Path, found: Points) -> None:
    trajectory.save(path, found, testbed="bed", provenance={"seed": 1})


def test_saved_and_loaded(tmp_path: Path) -> None:
    path, given = tmp_path / "run.safetensors", points()
    save(path, given)
    found = trajectory.load(path, testbed="bed")
    for group in ("parameters", "constants", "masks"):
        expected = getattr(given, group)
        assert getattr(found, group).keys() == expected.keys()
        for name, tensor in expected.items():
            assert torch.equal(getattr(found, group)[name], tensor)
            assert getattr(found, group)[name].dtype == tensor.dtype
    assert list(found.index.columns) == list(given.index.columns)
    assert found.index.step.tolist() == [0, 5, 10]
    assert found.index.loss[0] == pytest.approx(1 / 3, rel=1e-14)
    assert np.isnan(found.index.loss[1])
    assert found.index.name.tolist()[0::2] == ["a", "λ"]
    assert pd.isna(found.index["name"][1])


def test_views_are_saved_as_they_look(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole = torch.randn(3, 4)
    save(path, points(parameters={"A": whole[:, :2], "b": whole[:, 2:].mT.mT}))
    found = trajectory.load(path, testbed="bed")
    assert torch.equal(found.parameters["A"], whole[:, :2])
    assert torch.equal(found.parameters["b"], whole[:, 2:])


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(ArtifactError, match="no checkpoint file"):
        trajectory.load(path, testbed="bed")
    save(path, points())
    whole = path.read_bytes()
    for damaged in (b"", whole[:30], whole[:-8], b"\x00" * 100):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"run\.safetensors is not a whole.*Delete"):
            trajectory.load(path, testbed="bed")
    save_file({"A": torch.ones(1)}, path)
    with pytest.raises(ArtifactError, match="not a trajectory of this version"):
        trajectory.load(path, testbed="bed")
    save(path, points())
    with pytest.raises(ArtifactError, match="testbed 'bed', not 'other'"):
        trajectory.load(path, testbed="other")


def test_weights_must_be_finite_and_as_many_as_the_index(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    bad = torch.ones(3, 2)
    bad[1, 1] = torch.inf
    save(path, points(parameters={"A": bad}))
    with pytest.raises(ArtifactError, match=r"parameters\.A is not finite at checkpoint 1"):
        trajectory.load(path, testbed="bed")
    save(path, points(parameters={"A": torch.ones(2, 2)}))
    with pytest.raises(ArtifactError, match=r"A has 2 checkpoints, the index has 3"):
        trajectory.load(path, testbed="bed")


def test_shapes_must_be_those_of_the_model() -> None:
    def initial(stream: torch.Generator) -> dict[str, torch.Tensor]:
        return {"A": torch.zeros(2, 2), "b": torch.zeros(())}

    bed = Testbed(name="bed", losses=lambda w, c, b: w["b"][None], initial=initial)
    trajectory.check_shapes(points(), bed, "file")
    with pytest.raises(ArtifactError, match="weights of another model"):
        trajectory.check_shapes(points(parameters={"A": torch.zeros(3, 2, 3)}), bed, "file")


def test_choosing_checkpoints() -> None:
    given = points()
    assert given.places(None).tolist() == [0, 1, 2]
    assert given.places({"step": [5, 10]}).tolist() == [1, 2]
    assert given.places({"step": [5, 10], "batch": 64}).tolist() == [2]
    chosen = given.at(torch.tensor([2, 0]))
    assert chosen.index.step.tolist() == [10, 0]
    assert chosen.index.index.tolist() == [0, 1]
    assert torch.equal(chosen.parameters["A"], given.parameters["A"][[2, 0]])
    assert torch.equal(chosen.masks["b"], given.masks["b"][[2, 0]])
    assert chosen.constants["k"].tolist() == [3, 1]
    with pytest.raises(ValueError, match=r"checkpoints\.stp: no such column; .*step, loss"):
        given.places({"stp": 5})
    with pytest.raises(ValueError, match="none matches"):
        given.places({"step": 6})

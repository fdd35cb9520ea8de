"""Damaged or foreign files, and steps that fail: one message, and no output that looks good."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import xarray as xr
from copies import Copy
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stagewise import tables
from stagewise.artifacts import ArtifactError
from stagewise.engine import draws
from stagewise.findings import measured
from stagewise.resume import SideFile
from stagewise.testbeds import testbed as testbeds
from stagewise.training import trajectory

pytestmark = pytest.mark.workflow

RUN = "results/line/fits/seed0"
CHECKPOINTS = f"{RUN}/checkpoints.safetensors"
DRAWS = f"{RUN}/sgld/draws.nc"
TABLE = f"{RUN}/sgld/llc.csv"


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 16)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


class Bait:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def bait(path: Path) -> None:
    torch.save({"w": torch.zeros(2), "bait": Bait(path.parent / "caught")}, path)


def plain_bait(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bait(path.parent / "caught")))


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, str]], None]) -> None:
    """The same safetensors file after `change(tensors, metadata)`."""
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)


def _set(tensors: dict[str, Any], value: Any) -> None:
    tensors["parameters.w"] = value


CHECKPOINT_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut off": (half, "is not a whole safetensors file"),
    "noise": (noise, "is not a whole safetensors file"),
    "empty": (nothing, "is not a whole safetensors file"),
    "a pickle": (plain_bait, "is not a whole safetensors file"),
    "a torch pickle": (bait, "is not a whole safetensors file"),
    "another format": (
        lambda path: rewritten(path, lambda tensors, metadata: metadata.update(format="other-1")),
        "is not a trajectory of this version: format 'other-1'",
    ),
    "another testbed": (
        lambda path: rewritten(path, lambda tensors, metadata: metadata.update(testbed="curve")),
        "holds weights of testbed 'curve', not 'line'",
    ),
    "no index": (
        lambda path: rewritten(path, lambda tensors, metadata: metadata.pop("index") and None),
        "is not a whole safetensors file ('index')",
    ),
    "missing rows": (
        lambda path: rewritten(
            path, lambda tensors, metadata: _set(tensors, tensors["parameters.w"][1:].clone())
        ),
        "parameters.w has 5 checkpoints, the index has 6",
    ),
    "not finite": (
        lambda path: rewritten(
            path, lambda tensors, metadata: tensors["parameters.w"][2].fill_(torch.nan)
        ),
        "parameters.w is not finite at checkpoint 2",
    ),
    "another shape": (
        lambda path: rewritten(path, lambda tensors, metadata: _set(tensors, torch.zeros(6, 3))),
        "weights of another model: found {'w': (3,)}, expected {'w': (2,)}",
    ),
}


def test_bait_works(tmp_path: Path) -> None:
    plain_bait(tmp_path / "pickle")
    pickle.loads((tmp_path / "pickle").read_bytes())
    assert (tmp_path / "caught").exists()


@pytest.mark.parametrize("case", CHECKPOINT_FILES)
def test_checkpoint_file_is_refused(finished: Copy, tmp_path: Path, case: str) -> None:
    damage, message = CHECKPOINT_FILES[case]
    path = tmp_path / "checkpoints.safetensors"
    path.write_bytes((finished.path / CHECKPOINTS).read_bytes())
    testbed = testbeds.Testbed(
        name="line",
        losses=lambda w, constants, batch: torch.zeros(1),
        initial=lambda stream: {"w": torch.zeros(2)},
    )
    trajectory.check_shapes(trajectory.load(path, testbed="line"), testbed, path)
    damage(path)
    with pytest.raises(ArtifactError) as caught:
        trajectory.check_shapes(trajectory.load(path, testbed="line"), testbed, path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "caught").exists(), "code in the file was executed"


def _other_format(path: Path) -> None:
    xr.Dataset({"excess_loss": ("draw", [0.0])}).to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize("damage", [half, noise, nothing, _other_format, plain_bait])
def test_draws_file_is_refused(
    finished: Copy, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "draws.nc"
    path.write_bytes((finished.path / DRAWS).read_bytes())
    draws.load(path)
    damage(path)
    with pytest.raises(ArtifactError, match=r"draws\.nc is not a"):
        draws.load(path)
    assert not (tmp_path / "caught").exists()


def _headless(path: Path) -> None:
    path.write_text(path.read_text().splitlines()[0] + "\n")


@pytest.mark.parametrize("damage", [half, noise, nothing, _headless])
def test_table_is_refused(finished: Copy, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "llc.csv"
    path.write_bytes((finished.path / TABLE).read_bytes())
    assert len(tables.load(path)) == 6
    damage(path)
    with pytest.raises(ArtifactError, match=r"llc\.csv .*Delete .*llc\.csv and run snakemake"):
        tables.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"statistics": {"a": {"size": 3}}}'])
def test_statistics_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "measured.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=r"measured\.json cannot be read"):
        measured.load(path)


def test_progress_of_other_work_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "draws.nc.unfinished"
    SideFile(path, "this").save({"w": torch.ones(2)}, {"step": 16})
    assert SideFile(path, "that").load() is None
    found = SideFile(path, "this").load()
    assert found is not None
    assert found[0]["w"].equal(torch.ones(2))
    assert found[1] == {"step": 16}
    half(path)
    assert SideFile(path, "this").load() is None


def failed(copy: Copy, target: str, *messages: str) -> None:
    """Runs to `target`, which must fail with each of the messages, plainly, and leave nothing."""
    ended = copy.snakemake(target)
    assert ended.status == 1, ended.text
    assert "Traceback" not in ended.text
    for message in messages:
        assert f"stagewise: {messages[0]}" in ended.text
        assert message in ended.text
    assert not (copy.path / target).exists()


def test_step_refuses_pickled_checkpoints(done: Copy) -> None:
    bait(done.path / CHECKPOINTS)
    failed(done, DRAWS, f"{CHECKPOINTS} is not a whole safetensors file")
    assert not (done.path / RUN / "caught").exists()
    log = (done.path / "logs/smoke/line/fits/seed0/sgld/sample.log").read_text()
    assert f"{CHECKPOINTS} is not a whole safetensors file" in log


def test_step_refuses_truncated_draws(done: Copy) -> None:
    half(done.path / DRAWS)
    failed(done, TABLE, f"{DRAWS} is not a whole netCDF file", f"Delete {DRAWS}")


def test_step_refuses_a_statistic_that_was_not_measured(done: Copy) -> None:
    done.edit("workflow/papers/tiny.yaml", lambda page: page.replace("share", "shear"))
    failed(
        done,
        "results/tiny/claims.csv",
        "tiny.yaml, claim valleys: statistic 'shear' was not measured; measured are",
    )


def test_step_names_a_wrong_setting_of_a_testbed(start: Copy) -> None:
    start.configure("testbeds", "line", "fits", "model", "sampels", to=3)
    failed(start, CHECKPOINTS, "line.model.sampels: unknown setting; expected samples, noise")


def test_step_names_the_chain_that_diverges(done: Copy) -> None:
    where = ("testbeds", "line", "fits", "sampling", "sgld")
    done.configure(*where, "epsilon_unit", to="absolute")
    done.configure(*where, "epsilon", to=1e6)
    failed(done, DRAWS, "chain ", "checkpoint ", "at step ", "last loss", "lower `epsilon`")


def test_step_names_the_model_that_diverges(start: Copy) -> None:
    where = ("testbeds", "line", "fits", "training", "configurations", 1, "learning_rate")
    start.configure(*where, to=1e6)
    failed(
        start,
        CHECKPOINTS,
        "the loss of configuration 1, model 0 is not finite at step",
        "lower its learning_rate (1000000.0)",
    )


def test_failed_step_is_made_again(done: Copy) -> None:
    path = done.path / "results/tiny/lines.json"
    document = json.loads(path.read_text())
    path.write_text("{")
    failed(done, "results/tiny/measured.json", "results/tiny/lines.json cannot be read")
    path.unlink()
    done.made("results/tiny/measured.json")
    again = json.loads(path.read_text())
    assert again["statistics"] == document["statistics"]

"""Full disks, folders that cannot be written, damaged files: named, and mended by a second run."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from copies import Copy, same_results

from stagewise import tables
from stagewise.artifacts import ArtifactError
from stagewise.engine import draws
from stagewise.findings import measured
from stagewise.resume import SideFile
from stagewise.testbeds.testbed import Points
from stagewise.training import trajectory

pytestmark = pytest.mark.workflow

RUN = "results/line/fits/seed0"


def mounted(path: Path, options: str) -> None:
    """Mounts memory as a disk at the path, or changes how it is mounted."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a small disk needs the right to mount one: {done.stderr.strip()}")


@pytest.fixture
def disk(start: Copy) -> Iterator[Path]:
    """A disk of 96 kB, less than half of what the tiny paper makes, as its results folder."""
    path = start.path / "results"
    if shutil.which("mount") is None:
        pytest.skip("there is no command `mount`")
    mounted(path, "size=96k")
    yield path
    subprocess.run(["umount", path], check=True)


def whole(path: Path) -> set[str]:
    """Files of a results folder that stand for something finished."""
    return {
        str(file.relative_to(path))
        for file in path.rglob("*")
        if file.is_file() and ".unfinished" not in file.name and file.name != ".layout"
    }


@pytest.mark.parametrize("kind", ["safetensors", "netCDF", "CSV", "JSON", "side file"])
def test_every_writer_names_a_full_disk(disk: Path, kind: str) -> None:
    path = disk / "deep" / "file"
    numbers = np.random.default_rng(0).random((100, 1000))
    tensors = {"w": torch.from_numpy(numbers)}
    index = pd.DataFrame({"step": range(100)})
    many = {f"statistic {k}": measured.Measured(0.1, 0.0, 0.2, n=3) for k in range(5000)}
    with pytest.raises(ArtifactError, match=r"cannot write .*/file: .*No space left on device"):
        {
            "safetensors": lambda: trajectory.save(
                path, Points(tensors, index), testbed="line", provenance={}
            ),
            "netCDF": lambda: draws.save(path, xr.Dataset({"w": (("a", "b"), numbers)}), {}),
            "CSV": lambda: tables.save(path, pd.DataFrame(numbers)),
            "JSON": lambda: measured.save(path, many, {}),
            "side file": lambda: SideFile(path, "work").save(tensors, {}),
        }[kind]()
    assert not any(path.parent.iterdir())


def test_full_disk(start: Copy, finished: Copy, disk: Path) -> None:
    ended = start.snakemake("--keep-going")
    assert ended.status == 1, ended.text
    assert "stagewise: cannot write results/" in ended.text
    assert "Check the permissions and the free space of results/" in ended.text
    assert "Traceback" not in ended.text
    assert not [name for name in whole(disk) if "partial" in name]
    for name in whole(disk):
        assert (finished.path / "results" / name).is_file()
    mounted(disk, "remount,size=64m")
    start.made()
    assert same_results(finished.path / "results", disk) > 5
    assert start.plan() == {}


def test_results_that_cannot_be_written(start: Copy, disk: Path) -> None:
    mounted(disk, "remount,ro")
    ended = start.snakemake()
    assert ended.status == 1
    assert "stagewise: cannot write to the results folder results" in ended.text
    assert "Traceback" not in ended.text
    mounted(disk, "remount,rw,size=64m")
    start.made(f"{RUN}/checkpoints.safetensors")


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flipped(path: Path) -> None:
    """Other bytes in the first quarter, where every format says what it is."""
    content = bytearray(path.read_bytes())
    for place in range(0, len(content) // 4, 7):
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))


# a damaged file; what is made of it
KINDS = {
    "safetensors": (f"{RUN}/checkpoints.safetensors", f"{RUN}/sgld/draws.nc"),
    "netCDF": (f"{RUN}/sgld/draws.nc", f"{RUN}/sgld/llc.csv"),
    "CSV": (f"{RUN}/sgld/llc.csv", "results/tiny/lines.csv"),
    "JSON": ("results/tiny/lines.json", "results/tiny/measured.json"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_is_named_and_made_again(done: Copy, finished: Copy, kind: str) -> None:
    file, made_of_it = KINDS[kind]
    stat = (done.path / file).stat()
    (done.path / made_of_it).unlink()
    for damage in (_half, _flipped):
        shutil.copy2(finished.path / file, done.path / file)
        damage(done.path / file)
        os.utime(done.path / file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        ended = done.snakemake(made_of_it)
        assert ended.status == 1, ended.text
        assert f"stagewise: {file}" in ended.text
        assert f"Delete {file} and run snakemake again" in ended.text
        assert "Traceback" not in ended.text
        assert not (done.path / made_of_it).exists()
    (done.path / file).unlink()
    done.made(made_of_it)
    assert same_results(done.path / "results", finished.path / "results") > 5

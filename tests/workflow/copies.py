"""Copies of the repository in which a test may run Snakemake and break things."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
import yaml
from commands import Ended, command, environment
from forked import snakemake_in_a_fork
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).resolve().parent / "tiny"
"""A paper with its testbed, findings and figure, laid over a copy of the repository."""


@dataclass(frozen=True)
class Copy:
    """One copy of the repository."""

    path: Path

    def snakemake(self, *arguments: str) -> Ended:
        """Runs Snakemake here, as a user's command line would."""
        return self.ran(command(*arguments), timeout=600)

    def ran(self, command: list[str], *, timeout: float) -> Ended:
        """Runs a command here, as a user would."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        return Ended(done.returncode, done.stdout)

    def made(self, *arguments: str) -> str:
        """The same, for a run that must succeed; what it printed."""
        done = self.snakemake(*arguments)
        assert done.status == 0, done.text
        return done.text

    def plan(self, *targets: str) -> dict[str, str]:
        """Job -> reason of everything that a run would do now.

        A job is called by its rule and its first output without `results/` and ending.
        """
        done = snakemake_in_a_fork(self.path, "--dry-run", *targets)
        assert done.status == 0, done.text
        text = done.text
        jobs = {}
        for block in re.split(r"^\[.*\]$", text, flags=re.MULTILINE)[1:]:
            rule = re.search(r"^(?:local)?rule (\w+):", block, re.MULTILINE)
            assert rule, block
            output = re.search(r"^    output: (?:results/)?([^,\n]*?)(?:\.\w+)?[,\n]", block, re.M)
            reason = re.search(r"^    reason: (.*)$", block, re.MULTILINE)
            jobs[f"{rule[1]} {output[1] if output else ''}".strip()] = reason[1] if reason else ""
        if not jobs:
            assert "Nothing to be done" in text, text
        return jobs

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Rewrites a text file; a change that changes nothing is a mistake of the test."""
        path = self.path / file
        before = path.read_text()
        after = change(before)
        assert after != before, f"{file} is as before"
        path.write_text(after)

    def append(self, file: str, text: str = "\nADDED = 1\n") -> None:
        """Adds lines to a text file."""
        self.edit(file, lambda before: before + text)

    def configuration(self) -> dict[str, Any]:
        """What config.yaml says."""
        return yaml.safe_load((self.path / "config.yaml").read_text())

    def configure(self, *keys: str | int, to: Any) -> None:
        """Sets one key of config.yaml; `to` may be a function of the value before."""
        # Without the sharing of YAML's aliases: a change here is none there.
        config = section = json.loads(json.dumps(self.configuration()))
        for key in keys[:-1]:
            section = section[key]
        section[keys[-1]] = to(section[keys[-1]]) if callable(to) else to
        (self.path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def drop(self, *keys: str | int) -> None:
        """Removes one key of config.yaml, below its top level."""
        last = keys[-1]
        self.configure(*keys[:-1], to=lambda section: {k: section[k] for k in section if k != last})

    def duplicate(self, path: Path) -> "Copy":
        """A copy of this copy with its results and Snakemake's records; times are kept."""
        shutil.copytree(self.path, path, symlinks=True)
        return Copy(path)


def fresh(path: Path) -> Copy:
    """Everything of the repository that is, or would be, in version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return Copy(path)


def tiny(path: Path) -> Copy:
    """The repository with the tiny paper in the place of all others."""
    copy = fresh(path)
    shipped = copy.configuration()
    for folder in ("workflow/papers", "workflow/rules/papers"):
        shutil.rmtree(path / folder, ignore_errors=True)
    shutil.copytree(TINY, path, dirs_exist_ok=True)
    together = shipped | copy.configuration()
    (path / "config.yaml").write_text(yaml.safe_dump(together, sort_keys=False))
    return copy


def same_results(first: Path, second: Path) -> int:
    """Tables, figures, trajectories and draws of one folder, in another; how many those are."""
    compared = 0
    for found in sorted(first.rglob("*")):
        other = second / found.relative_to(first)
        if found.suffix in (".csv", ".pdf", ".png"):
            assert found.read_bytes() == other.read_bytes(), f"{other} differs"
        elif found.name == "checkpoints.safetensors":
            same_tensors(found.parent, other.parent)
        elif found.name == "draws.nc":
            same_draws(found.parent, other.parent)
        else:
            continue
        compared += 1
    return compared


def same_tensors(first: Path, second: Path) -> None:
    """Checkpoints of two folders, bit for bit."""
    one, two = (load_file(folder / "checkpoints.safetensors") for folder in (first, second))
    assert one.keys() == two.keys()
    assert all(one[name].equal(two[name]) for name in one)


def same_draws(first: Path, second: Path) -> None:
    """Draws of two folders: all but the provenance, which has times in it."""
    one, two = (
        xr.load_dataset(folder / "draws.nc", engine="h5netcdf") for folder in (first, second)
    )
    assert one.drop_attrs().identical(two.drop_attrs())

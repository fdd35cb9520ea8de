"""Killed runs go on, and end as if nothing had happened."""

import contextlib
import os
import signal
import subprocess
import time

import pytest
from commands import command, environment
from copies import Copy, same_draws, same_tensors

pytestmark = pytest.mark.workflow

RUN = "results/line/slow/seed0"
TABLE = f"{RUN}/sgld/llc.csv"


def slow(copy: Copy) -> Copy:
    """The copy with a run of some seconds in it, which saves its progress often."""
    copy.edit("src/stagewise/resume.py", lambda code: code.replace("EVERY = 15.0", "EVERY = 0.2"))
    section = copy.configuration()["testbeds"]["line"]["fits"] | {"seeds": [0]}
    section["training"]["steps"] = section["sampling"]["sgld"]["steps"] = 4000
    copy.configure("testbeds", "line", "slow", to=section)
    return copy


def killed_when_saved(copy: Copy, side_file: str) -> None:
    """Starts the run, waits until `side_file` is there, kills Snakemake and its jobs."""
    running = subprocess.Popen(
        command(TABLE),
        cwd=copy.path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    try:
        while not (copy.path / side_file).exists():
            assert running.poll() is None, f"ended before {side_file} was written"
            assert time.monotonic() < deadline, f"{side_file} was not written in time"
            time.sleep(0.02)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def relaunched(copy: Copy) -> str:
    """Runs again as the README says after a hard kill; the text of both commands."""
    return copy.made("--unlock", TABLE) + copy.made(TABLE)


@pytest.fixture(scope="module")
def undisturbed(untouched: Copy, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = slow(untouched.duplicate(tmp_path_factory.mktemp("undisturbed") / "copy"))
    copy.made(TABLE)
    return copy


def log_of(copy: Copy, step: str) -> str:
    return (copy.path / "logs/smoke/line/slow/seed0" / f"{step}.log").read_text()


def test_killed_training_and_sampling_resume(start: Copy, undisturbed: Copy) -> None:
    copy = slow(start)
    killed_when_saved(copy, f"{RUN}/checkpoints.safetensors.unfinished")
    assert not (copy.path / f"{RUN}/checkpoints.safetensors").exists()
    copy.made("--unlock", TABLE)
    killed_when_saved(copy, f"{RUN}/sgld/draws.nc.unfinished")
    assert "resumed at" in log_of(copy, "train")
    assert not (copy.path / f"{RUN}/sgld/draws.nc").exists()
    relaunched(copy)
    assert "resumed at" in log_of(copy, "sgld/sample")
    assert "resumed at" not in log_of(undisturbed, "train")
    assert "resumed at" not in log_of(undisturbed, "sgld/sample")

    same_tensors(undisturbed.path / RUN, copy.path / RUN)
    same_draws(undisturbed.path / RUN / "sgld", copy.path / RUN / "sgld")
    assert (copy.path / TABLE).read_bytes() == (undisturbed.path / TABLE).read_bytes()
    left = [path.name for path in (copy.path / RUN).rglob("*") if "unfinished" in path.name]
    assert not left, "side files of finished work"
    assert not [path for path in (copy.path / RUN).rglob("*.partial.*")]
    assert copy.plan(TABLE) == {}

"""Copies of the repository that run on a real Slurm; skipped where there is none to test on."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from copies import Copy, tiny


def reason_to_skip() -> str | None:
    """Why these tests cannot run here, if they cannot."""
    start = "tests/cluster/local_slurm starts one"
    if shutil.which("scontrol") is None:
        return f"no Slurm here: {start}"
    try:
        asked = subprocess.run(
            ["scontrol", "show", "config"], capture_output=True, text=True, timeout=20
        )
    except subprocess.TimeoutExpired:
        return "Slurm does not answer"
    if asked.returncode:
        return f"no Slurm is up: {start}"
    if "ClusterName             = local\n" not in asked.stdout:
        return f"jobs are not sent to a cluster that others use: {start}"
    for plugin in ("slurm", "cluster_generic"):
        if find_spec(f"snakemake_executor_plugin_{plugin}") is None:
            return "no executor: python3 bootstrap.py --group cluster installs them"
    return None


@pytest.fixture(scope="session", autouse=True)
def scheduler() -> None:
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, scheduler: None) -> Copy:
    """The tiny paper, made on this machine without a scheduler. Not to be changed."""
    copy = tiny(tmp_path_factory.mktemp("alone") / "copy")
    copy.made()
    return copy


@pytest.fixture
def clean(tmp_path: Path) -> Copy:
    """The tiny paper before anything is made, to be changed."""
    return tiny(tmp_path / "copy")

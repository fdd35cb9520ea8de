"""Which of the jobs in a queue were submitted from here by a launch of the workflow."""

from pathlib import Path

import pytest

from stagewise.slurm_queue import jobs_left, left_from

LAUNCH = "8e851cf8-d7a1-4b5e-9a55-0f3c1b2a4d6e"


def test_jobs_of_the_executor_in_this_folder_are_found(tmp_path: Path) -> None:
    answer = f"""\
12|{LAUNCH}|{tmp_path}
9|mine_{LAUNCH}|{tmp_path}/
11|stagewise.train|{tmp_path}
13|{LAUNCH}|{tmp_path}/elsewhere
14|stagewise|{tmp_path}
15|driver|of|{tmp_path}
"""
    assert left_from(answer, tmp_path) == ["9", "11", "12"]
    assert left_from("", tmp_path) == []


@pytest.mark.parametrize(
    ("logs", "left"), [("logs/slurm", ["7"]), ("logs/cluster", ["7"]), ("logs/default", [])]
)
def test_slurm_is_asked_where_jobs_were_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: str, left: list[str]
) -> None:
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\necho '7|stagewise.train|{tmp_path}'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:/bin:/usr/bin")
    (tmp_path / logs).mkdir(parents=True)
    assert jobs_left(tmp_path) == left

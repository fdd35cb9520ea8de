"""The profile of plain submit commands, with Slurm's."""

from pathlib import Path

import pytest
from copies import Copy, same_results
from faults import fault, faulty
from launches import cancel, launch_in_background, launched, of, running_job, wait_until

pytestmark = [pytest.mark.workflow, pytest.mark.cluster]

RUN = "results/polynomial/cancelled/seed0/mala"
TARGET = f"{RUN}/llc.csv"


def test_cancelled_job_is_noticed_and_submitted_again(clean: Copy, tmp_path: Path) -> None:
    copy = faulty(clean)
    here = copy.duplicate(tmp_path / "here")
    here.made(TARGET)

    flag = fault(copy, "cancelled")
    with launch_in_background(copy, TARGET, profile="cluster") as running:
        wait_until((copy.path / f"{RUN}/draws.nc.unfinished").exists, "progress")
        cancel(running_job(copy, "stagewise.sample").number)
        flag.unlink()
        assert running.wait(timeout=400) == 0, (copy.path / "launch.log").read_text()
    first, second = of(copy, "stagewise.sample")
    assert (first.state, first.memory_mb, first.minutes) == ("CANCELLED", 2000, 60)
    assert (second.state, second.memory_mb, second.minutes) == ("COMPLETED", 4000, 120)
    assert [job.state for job in of(copy, "stagewise.llc")] == ["COMPLETED"]
    log = copy.path / "logs/smoke/polynomial/cancelled/seed0/mala/sample.log"
    assert "resumed at" in log.read_text()
    assert same_results(here.path / "results", copy.path / "results") == 2
    assert "Nothing to be done" in launched(copy, TARGET, profile="cluster").text

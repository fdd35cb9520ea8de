"""On a real scheduler: the same results as without one, and every kind of failure survived."""

from pathlib import Path

import pytest
from copies import Copy, fresh, same_results, same_tensors
from faults import fault, faulty
from launches import (
    cancel,
    launch_in_background,
    launched,
    of,
    running_job,
    submissions,
    wait_until,
)

pytestmark = [pytest.mark.workflow, pytest.mark.cluster]


def uncommented(copy: Copy, *keys: str) -> None:
    """Takes lines of the profile into use, as the README says."""
    for key in keys:
        copy.edit(
            "profiles/slurm/profile.yaml",
            lambda text, key=key: text.replace(f"# {key}:", f"{key}:"),
        )


def test_results_are_those_without_a_scheduler(alone: Copy, clean: Copy) -> None:
    """And jobs ask for what their rules say: a GPU, a partition, the sums of a group."""
    uncommented(clean, "slurm_account", "slurm-partition-config")
    done = launched(clean, "--set-resources", "figure_tiny:gpu=1")
    assert done.status == 0, done.text
    assert same_results(alone.path / "results", clean.path / "results") > 8
    assert clean.plan() == {}, "a launch without the scheduler wants to do it again"

    jobs = submissions(clean)
    assert {job.state for job in jobs} == {"COMPLETED"}
    (figure,) = (job for job in jobs if "figure_tiny" in job.what)
    assert figure.partition == "gpu"
    assert "gres/gpu=1" in figure.requested
    others = [job for job in jobs if job is not figure]
    assert {job.partition for job in others} == {"main"}
    assert not [job for job in others if "gpu" in job.requested]
    assert all("cpu=1," in job.requested for job in jobs)
    (estimates,) = (job for job in jobs if "llc" in job.what)
    assert (estimates.memory_mb, estimates.minutes) == (2000, 3 * 10), "three estimates, in turn"
    (parts,) = (job for job in jobs if "measure" in job.what)
    assert (parts.memory_mb, parts.minutes) == (4000, 2 * 20)
    expected = 2 + 3 + 1 + 1 + 1 + 1
    assert len(jobs) == expected, "trainings, samplings, estimates, reliability, parts, figure"


def test_real_results_are_those_without_a_scheduler(tmp_path: Path) -> None:
    """A figure of toy models; a transformer trained, sampled and measured. At smoke scale."""
    targets = ("figure5.pdf", "developmental_landscape/language_stages.csv")
    line = [f"results-smoke/{target}" for target in targets]
    line += ["--configfile", "workflow/scales/smoke.yaml"]
    here, there = (fresh(tmp_path / name) for name in ("here", "there"))
    here.made(*line)
    done = launched(there, *line)
    assert done.status == 0, done.text
    assert same_results(here.path / "results-smoke", there.path / "results-smoke") >= 15


def test_failures_are_recovered_from(clean: Copy, tmp_path: Path) -> None:
    """An error, too much memory, too much time, a cancelled job; what was finished is kept."""
    copy = faulty(clean)
    runs = {
        name: f"results/polynomial/{name}/seed0/mala"
        for name in ("valleys", "large", "stuck", "cancelled")
    }
    targets = [f"{runs['valleys']}/llc.csv", *(f"{run}/draws.nc" for run in runs.values())]
    here = copy.duplicate(tmp_path / "here")
    here.made(*targets)

    flags = [fault(copy, name) for name in ("broken", "stuck", "cancelled")]
    with launch_in_background(copy, "--retries", "0", "--keep-going", *targets) as running:
        wait_until((copy.path / f"{runs['cancelled']}/draws.nc.unfinished").exists, "progress")
        cancel(running_job(copy, "sample", "cancelled").number)
        assert running.wait(timeout=400) == 1, (copy.path / "launch.log").read_text()
    first = submissions(copy)
    assert {name: [job.state for job in of(copy, "sample", name)] for name in runs} == {
        "valleys": ["COMPLETED"],
        "large": ["FAILED"],
        "stuck": ["TIMEOUT"],
        "cancelled": ["CANCELLED"],
    }
    assert [job.state for job in of(copy, "llc")] == ["FAILED"]
    finished = copy.path / f"{runs['valleys']}/draws.nc"
    before = finished.stat().st_mtime_ns

    for flag in flags:
        flag.unlink()
    done = launched(copy, *targets)
    assert done.status == 0, done.text
    assert finished.stat().st_mtime_ns == before, "finished work was done again"
    again = submissions(copy)[len(first) :]
    large = [job for job in again if "large" in job.what]
    assert [(job.state, job.memory_mb, job.minutes) for job in large] == [
        ("FAILED", 2000, 60),
        ("COMPLETED", 4000, 120),
    ], "the second attempt asks for more"
    for name in ("stuck", "cancelled"):
        log = copy.path / f"logs/smoke/polynomial/{name}/seed0/mala/sample.log"
        assert "resumed at" in log.read_text()
    assert same_results(here.path / "results", copy.path / "results") == 5
    assert copy.plan(*targets) == {}


def test_killed_launch_is_recovered_from(clean: Copy, tmp_path: Path) -> None:
    """Its jobs live on: nothing starts beside them. What they finish is kept; once the others are
    cancelled, work goes on where they were."""
    copy = faulty(clean)
    runs = [f"results/line/fits/seed{seed}" for seed in (0, 1)]
    targets = [f"{run}/checkpoints.safetensors" for run in runs]
    here = copy.duplicate(tmp_path / "here")
    here.made(*targets)

    stuck, slow = fault(copy, "seed0"), fault(copy, "seed1")
    with launch_in_background(copy, *targets) as running:
        for target in targets:
            wait_until((copy.path / f"{target}.unfinished").exists, "progress")
        running.kill()
    orphan, survivor = (running_job(copy, run) for run in ("fits_0", "fits_1"))
    refused = launched(copy, "--unlock", *targets).text + launched(copy, *targets).text
    numbers = " ".join(sorted([orphan.number, survivor.number], key=int))
    assert f"run: scancel {numbers}" in refused
    slow.unlink()
    wait_until((copy.path / targets[1]).exists, "the job of the killed launch")
    wait_until(lambda: of(copy, "fits_1")[0].state == "COMPLETED", "its end")
    finished = (copy.path / targets[1]).stat().st_mtime_ns
    cancel(orphan.number)
    stuck.unlink()

    done = launched(copy, *targets)
    assert done.status == 0, done.text
    assert (copy.path / targets[1]).stat().st_mtime_ns == finished, "finished work was done again"
    states = sorted(job.state for job in submissions(copy))
    assert states == ["CANCELLED", "COMPLETED", "COMPLETED"]
    assert "resumed at" in (copy.path / "logs/smoke/line/fits/seed0/train.log").read_text()
    for run in runs:
        same_tensors(here.path / run, copy.path / run)


def test_group_with_a_failure_is_recovered_from(alone: Copy, tmp_path: Path) -> None:
    """Three estimates share a submission; the one of a polynomial fails."""
    copy = faulty(alone.duplicate(tmp_path / "copy"))
    tables = [path.relative_to(copy.path) for path in copy.path.glob("results/*/*/*/*/llc.csv")]
    for table in tables:
        (copy.path / table).unlink()
    flag = fault(copy, "broken")
    accepted = "--rerun-triggers=mtime"
    first = launched(copy, "--retries", "0", accepted, *map(str, tables))
    assert first.status == 1, first.text
    flag.unlink()
    done = launched(copy, accepted, *map(str, tables))
    assert done.status == 0, done.text
    assert [(job.state, job.minutes) for job in of(copy, "llc")] == [
        ("FAILED", 30),
        ("COMPLETED", 30),
    ]
    for table in tables:
        assert (copy.path / table).read_bytes() == (alone.path / table).read_bytes()

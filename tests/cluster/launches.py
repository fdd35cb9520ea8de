"""Launches of the workflow on a scheduler, and what the scheduler says of their jobs."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from commands import Ended, environment
from copies import Copy


def on_cluster(profile: str, *arguments: str) -> list[str]:
    """The command line of a user on a login node."""
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", f"profiles/{profile}"]
    return [*command, *arguments]


def launched(copy: Copy, *arguments: str, profile: str = "slurm") -> Ended:
    """Runs Snakemake with that profile in the copy, until its jobs have ended."""
    return copy.ran(on_cluster(profile, *arguments), timeout=900)


@dataclass(frozen=True)
class Submitted:
    """One job of the scheduler."""

    number: str
    what: str
    """The rule or group, and its wildcards."""
    state: str
    memory_mb: int
    minutes: int
    partition: str
    requested: str
    """What it asked for: `cpu=1,mem=2000M,...`."""


def answer(*command: str) -> list[str]:
    """The lines that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def submissions(copy: Copy) -> list[Submitted]:
    """All jobs that were submitted from the copy so far, in that order, as accounting has them."""
    fields = "JobID,Comment,JobName,State,TimelimitRaw,Partition,ReqTRES,WorkDir"
    made = datetime.fromtimestamp((copy.path / "LICENSE").stat().st_ctime)
    since = f"--starttime={made:%Y-%m-%dT%H:%M:%S}"
    lines = answer("sacct", "-X", "-P", "--noheader", since, f"--format={fields}")
    # Accounting has the comment of a job only when the job has ended.
    queue = answer("squeue", "--noheader", "--states=all", "--format=%A|%k")
    comments = dict(line.split("|") for line in queue if not line.endswith("(null)"))
    found = []
    for line in lines:
        number, comment, name, state, minutes, partition, requested, folder = line.split("|")
        if folder == str(copy.path):
            asked = dict(item.split("=") for item in requested.split(","))
            memory = asked["mem"]
            megabytes = float(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]]
            found.append(
                Submitted(
                    number,
                    comment or comments.get(number) or name,
                    state.split()[0],
                    round(megabytes),
                    int(minutes),
                    partition,
                    requested,
                )
            )
    return found


def cancel(*numbers: str) -> None:
    subprocess.run(["scancel", *numbers], check=True)


def of(copy: Copy, *what: str) -> list[Submitted]:
    """Submissions of which all these are said."""
    return [job for job in submissions(copy) if all(word in job.what for word in what)]


def running_job(copy: Copy, *what: str) -> Submitted:
    """The one submission of which all these are said, once accounting, which lags, has it."""
    wait_until(lambda: of(copy, *what), f"accounting of {what}")
    (job,) = of(copy, *what)
    return job


@contextlib.contextmanager
def launch_in_background(
    copy: Copy, *arguments: str, profile: str = "slurm"
) -> Iterator[subprocess.Popen[bytes]]:
    """Snakemake at work; killed, if it still is, when the block ends."""
    with open(copy.path / "launch.log", "wb") as log:
        running = subprocess.Popen(
            on_cluster(profile, *arguments),
            cwd=copy.path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.2)

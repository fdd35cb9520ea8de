"""The shipped workflow as if every job had run: its files are there, empty, with their records."""

import re
from dataclasses import dataclass
from pathlib import Path

from copies import Copy, fresh
from forked import snakemake_in_a_fork


@dataclass(frozen=True)
class Job:
    """One job of a plan."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        """The rule and the first output, without the results folder."""
        return f"{self.rule} {self.outputs[0].split('/', 1)[1] if self.outputs else ''}".strip()


def jobs_of(text: str) -> list[Job]:
    """What a dry run has printed."""

    def listed(block: str, key: str) -> tuple[str, ...]:
        found = re.search(rf"^    {key}: (.*)$", block, re.MULTILINE)
        return tuple(part.split(" (")[0] for part in found[1].split(", ")) if found else ()

    jobs = []
    for block in re.split(r"^\[.*\]$", text, flags=re.MULTILINE)[1:]:
        rule = re.search(r"^(?:local)?rule (\w+):", block, re.MULTILINE)
        reason = re.search(r"^    reason: (.*)$", block, re.MULTILINE)
        assert rule, block
        assert reason, block
        jobs.append(Job(rule[1], listed(block, "input"), listed(block, "output"), reason[1]))
    return jobs


def plan(copy: Copy, *arguments: str) -> list[Job]:
    """The jobs that a run would have."""
    ended = snakemake_in_a_fork(copy.path, "--dry-run", *arguments)
    assert ended.status == 0, ended.text
    return jobs_of(ended.text)


def filled(path: Path, *arguments: str) -> tuple[Copy, list[Job]]:
    """A copy of the repository in which everything is made and nothing was computed; its jobs."""
    copy = fresh(path)
    jobs = plan(copy, *arguments)
    for output in (output for job in jobs for output in job.outputs):
        file = path / output
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("empty\n")
    folder = jobs[0].outputs[0].split("/", 1)[0]
    (path / folder / ".layout").write_text("1")
    # Snakemake's own way to say that files are as they should be, with all of its records.
    ended = snakemake_in_a_fork(path, "--touch", "--forceall", *arguments)
    assert ended.status == 0, ended.text
    return copy, jobs


def downstream(jobs: list[Job], start: set[str]) -> set[str]:
    """Names of the jobs that read, directly or not, what those jobs write; and their own."""
    found = set(start)
    written = {output for job in jobs if job.name in found for output in job.outputs}
    while True:
        more = {job.name for job in jobs if job.name not in found and written & {*job.inputs}}
        if not more:
            return found
        found |= more
        written |= {output for job in jobs if job.name in more for output in job.outputs}

"""Which results today's configuration and code would not make: by content, not by times."""

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

from stagewise.lineage import AS_MADE, CHANGED, MISSING, Result, inputs, result
from stagewise.settings import Section, lines

SHOWN = 6
"""Reasons of one result that are printed."""


@dataclass(frozen=True)
class Job:
    """What Snakemake would give one job today."""

    rule: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    settings: Mapping[str, Any]
    modules: Mapping[str, str]
    """Path -> digest of the code that it reaches."""


def planned(
    root: Path, targets: Sequence[str], configfiles: Sequence[Path], results: str | None
) -> list[Job]:
    """Every job that the targets (by default all) rest on, up to date or not, inputs first.

    results  a folder in the place of the configuration's `results`
    """
    config = {"results": results} if results else {}
    quiet = OutputSettings(quiet={Quietness.ALL})
    with SnakemakeApi(quiet) as api, contextlib.redirect_stdout(io.StringIO()):
        workflow = api.workflow(
            resource_settings=ResourceSettings(),
            config_settings=ConfigSettings(config=config, configfiles=list(configfiles)),
            snakefile=root / "Snakefile",
        )
        plan = workflow.dag(DAGSettings(targets=set(targets)))
        plan.summary()  # what makes Snakemake work out the jobs, and no more
        dag = workflow._workflow.dag
        ordered = [job for level in dag.toposorted() for job in level]
        return [_job(job) for job in ordered if job.output]


def _job(job: Any) -> Job:
    params = dict(job.params.items())
    settings = params.pop("settings")
    values = settings.values if isinstance(settings, Section) else settings
    code = [str(line).split(" ") for line in job.params if str(line).count(" ") == 1]
    return Job(
        rule=job.rule.name,
        inputs=tuple(Path(path) for path in job.input),
        outputs=tuple(Path(path) for path in job.output),
        settings=json.loads(json.dumps({**values, **params})),
        modules={name: digest for name, digest in code if name.endswith(".py")},
    )


def reasons(job: Job, made: Result) -> list[str]:
    """Why the job would not make this output of it today as it is; nothing if it would."""
    if made.state in (MISSING, CHANGED):
        return [made.state]
    if made.record is None:
        return ["no record of what it was made from"]
    then, now = _by_name(made.record["settings"]), _by_name(job.settings)
    found = [
        f"setting {name} = {then.get(name, 'none')}, now {now.get(name, 'none')}"
        for name in sorted(then | now)
        if then.get(name) != now.get(name)
    ]
    modules = made.record["modules"]
    names = sorted({*modules, *job.modules})
    found += [f"code of {name}" for name in names if modules.get(name) != job.modules.get(name)]
    read = inputs(made)
    gone = {one.result.path for one in read} - set(job.inputs)
    new = set(job.inputs) - {one.result.path for one in read}
    found += [f"input {path} is no longer one" for path in sorted(gone)]
    found += [f"input {path} is new" for path in sorted(new)]
    found += [
        f"input {one.result.path}: {one.state}"
        for one in read
        if one.state != AS_MADE and one.result.path not in gone
    ]
    return found


def _by_name(settings: Mapping[str, Any]) -> dict[str, str]:
    split = (line.split(" = ", 1) for line in lines(settings))
    return {name: value for name, value in split}


def stale(jobs: Sequence[Job]) -> dict[Path, list[str]]:
    """Output -> why it is stale, of those that are; what rests on a stale one is, too."""
    found: dict[Path, list[str]] = {}
    for job in jobs:
        below = [f"rests on {path}" for path in job.inputs if path in found]
        for path in job.outputs:
            why = reasons(job, result(path)) + below
            if why:
                found[path] = why
    return found


def report(
    root: Path, targets: Sequence[str], configfiles: Sequence[Path], results: str | None
) -> int:
    """Prints what is stale, why, and what to do; exit status 1 if anything is."""
    jobs = planned(root, targets, configfiles, results)
    count = sum(len(job.outputs) for job in jobs)
    found = stale(jobs)
    for path, why in found.items():
        print(f"{path}")
        for line in why[:SHOWN]:
            print(f"  {line}")
        if len(why) > SHOWN:
            print(f"  … and {len(why) - SHOWN} more")
    print(f"{count - len(found)} of {count} results are what today's configuration and code make.")
    if not found:
        return 0
    first = [
        str(job.outputs[0])
        for job in jobs
        if any(path in found for path in job.outputs)
        and not any(path in found for path in job.inputs)
    ]
    print("To make the others again, and all that rests on them:")
    print(f"  snakemake --forcerun {' '.join(first)}")
    return 1

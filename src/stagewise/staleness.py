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
) -> tuple[list[Job], int]:
    """Every job that the targets (by default all) rest on, up to date or not, inputs first; and
    how many of their files Snakemake's own records do not know.

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
        ordered = [job for level in dag.toposorted() for job in level if job.output]
        known = workflow._workflow.persistence.metadata
        unknown = [path for job in ordered for path in job.output if known(path) is None]
        return [_job(job) for job in ordered], len(unknown)


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
    if made.record is None:
        return ["not made yet" if made.state == MISSING else "no record of what it was made from"]
    if made.state == CHANGED:
        return [CHANGED]
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
        if one.state not in (AS_MADE, MISSING) and one.result.path not in gone
    ]
    return found


def _by_name(settings: Mapping[str, Any]) -> dict[str, str]:
    split = (line.split(" = ", 1) for line in lines(settings))
    return {name: value for name, value in split}


def stale(jobs: Sequence[Job]) -> tuple[dict[Path, list[str]], set[Path]]:
    """Output -> why it is stale, of those that are for a reason of their own, and the outputs that
    rest on one of these. A file that was deleted does not make stale what was made from it."""
    own: dict[Path, list[str]] = {}
    others: set[Path] = set()
    for job in jobs:
        below = any(path in own or path in others for path in job.inputs)
        for path in job.outputs:
            why = reasons(job, result(path))
            if why and not (below and all(line.startswith("input ") for line in why)):
                own[path] = why
            elif below or why:
                others.add(path)
    return own, others


def report(
    root: Path,
    targets: Sequence[str],
    configfiles: Sequence[Path],
    results: str | None,
    *,
    full: bool,
) -> int:
    """Prints what is stale, why, and what to do; exit status 1 if anything is."""
    jobs, unknown = planned(root, targets, configfiles, results)
    count = sum(len(job.outputs) for job in jobs)
    own, others = stale(jobs)
    for path, why in own.items():
        shown = why if full else why[:SHOWN]
        rest = [f"… {len(why) - len(shown)} more: --full"] if len(shown) < len(why) else []
        print("\n  ".join([str(path), *shown, *rest]))
    if others:
        print(f"{len(others)} more rest on these" + ("" if full else ": --full"))
        for path in sorted(others) if full else []:
            print(f"  {path}")
    stale_ones = len(own) + len(others)
    print(f"{count - stale_ones} of {count} results are what today's configuration and code make.")
    if unknown:
        print(
            f"Snakemake has no records of {unknown} of them, and goes by times alone there. "
            f"To accept what it finds as it is:\n  snakemake --touch --forceall"
        )
    if own:
        first = [str(job.outputs[0]) for job in jobs if any(path in own for path in job.outputs)]
        print(f"To make the others again:\n  snakemake --forcerun {' '.join(first)}")
    return 1 if own else 0

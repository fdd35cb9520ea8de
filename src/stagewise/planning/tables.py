"""What a run would take, by figure and rule, and how long on so many machines: tidy tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from stagewise.planning.graph import among, needs, reached
from stagewise.planning.jobs import Job
from stagewise.planning.schedule import schedule

EVERYTHING, ALL_RULES = "all", "all"


def figures(jobs: Sequence[Job], files: Mapping[str, Collection[str]]) -> dict[str, set[int]]:
    """Figure -> places of the jobs that its files take; EVERYTHING -> all jobs, each once.

    files  figure -> its files; in the order of their numbers here
    """
    waits = needs(jobs)
    of_figures = {name: reached(jobs, waits, files[name]) for name in sorted(files, key=int)}
    return {**of_figures, EVERYTHING: set(range(len(jobs)))}


def resources(jobs: Sequence[Job], of_figures: Mapping[str, set[int]]) -> pd.DataFrame:
    """A row for each figure and rule, and for all rules together:

    jobs             of that rule that the figure takes from nothing
    shared           those among them that another figure takes, too
    cpu_hours, gpu_hours, output_gb   sums of what jobs are expected to take and write: estimates,
                     of the jobs for which there is one; empty where there is none. Hours of
                     cores are those of jobs that hold no GPU
    without_hours, without_output     jobs that those sums leave out
    cpu_hours_limit, gpu_hours_limit  the same hours, at the time limit of each job
    memory_gb        that the largest job asks for
    """
    takers = [sum(p in places for f, places in of_figures.items() if f != EVERYTHING)
              for p in range(len(jobs))]  # fmt: skip
    each = pd.DataFrame(
        {
            "rule": [job.rule for job in jobs],
            "shared": [taken > 1 for taken in takers],
            "cpu_hours": [_times(job.expected_s, _cores(job) / 3600) for job in jobs],
            "gpu_hours": [_times(job.expected_s, job.gpus / 3600) for job in jobs],
            "output_gb": [_times(job.output_mb, 1e-3) for job in jobs],
            "cpu_hours_limit": [job.limit_min * _cores(job) / 60 for job in jobs],
            "gpu_hours_limit": [job.limit_min * job.gpus / 60 for job in jobs],
            "memory_gb": [job.memory_mb / 1e3 for job in jobs],
        }
    )
    rows = []
    for figure, places in of_figures.items():
        taken = each.loc[sorted(places)]
        groups = [(str(rule), of_rule) for rule, of_rule in taken.groupby("rule")]
        for rule, of_rule in [*groups, (ALL_RULES, taken)]:
            rows.append({"figure": figure, "rule": rule, **_sums(of_rule)})
    return pd.DataFrame(rows).round(3)


def _cores(job: Job) -> int:
    return 0 if job.gpus else job.threads


def _times(value: float | None, factor: float) -> float:
    """The product; not a number where nothing is known."""
    return float("nan") if value is None else value * factor


def _sums(jobs: pd.DataFrame) -> dict[str, float]:
    return {
        "jobs": len(jobs),
        "shared": int(jobs["shared"].sum()),
        "cpu_hours": jobs["cpu_hours"].sum(min_count=1),
        "gpu_hours": jobs["gpu_hours"].sum(min_count=1),
        "without_hours": int(jobs["cpu_hours"].isna().sum()),
        "cpu_hours_limit": jobs["cpu_hours_limit"].sum(),
        "gpu_hours_limit": jobs["gpu_hours_limit"].sum(),
        "memory_gb": jobs["memory_gb"].max(),
        "output_gb": jobs["output_gb"].sum(min_count=1),
        "without_output": int(jobs["output_gb"].isna().sum()),
    }


def schedules(
    jobs: Sequence[Job],
    of_figures: Mapping[str, set[int]],
    clusters: Iterable[Mapping[str, int]],
) -> pd.DataFrame:
    """A row for each figure and cluster (its GPUs and cores), in hours: see `schedule.Schedule`.

    A job without an estimate is taken to last until its limit.
    """
    waits = needs(jobs)
    rows = []
    for figure, places in of_figures.items():
        chosen = [jobs[place] for place in sorted(places)]
        seconds = [j.limit_min * 60 if j.expected_s is None else j.expected_s for j in chosen]
        for cluster in clusters:
            found = schedule(chosen, among(waits, places), seconds, **cluster)
            rows.append(
                {
                    "figure": figure,
                    "gpus": cluster["gpus"],
                    "cores": cluster["cores"],
                    "jobs": len(chosen),
                    "hours": found.makespan / 3600,
                    "critical_path_hours": found.critical_path / 3600,
                    "bound_hours": found.bound / 3600,
                    "gpu_use": found.gpu_use,
                    "core_use": found.core_use,
                }
            )
    return pd.DataFrame(rows).round(3)

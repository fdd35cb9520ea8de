"""A simulated schedule: when each job would run on so many GPUs and cores."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from stagewise.planning.graph import Needs, longest_to_end
from stagewise.planning.jobs import Job
from stagewise.settings import SettingsError


@dataclass(frozen=True)
class Schedule:
    """When jobs run, in seconds from the start."""

    starts: list[float]
    ends: list[float]
    makespan: float
    critical_path: float
    """Seconds of the longest chain of jobs: no number of machines is faster."""
    bound: float
    """The critical path, or the work over the machines, whichever is longer: no schedule on these
    machines is faster."""
    gpu_use: float | None
    """Share of the GPUs' time in which they are held; None where no job holds one."""
    core_use: float
    """The same of the cores."""


def schedule(
    jobs: Sequence[Job], waits: Needs, seconds: Sequence[float], *, gpus: int, cores: int
) -> Schedule:
    """List scheduling, longest path first: whenever a job ends, those that are ready start in the
    order of the longest chain that begins with them, as far as there are GPUs and cores.

    seconds  of each job. Memory and queues are left out. Jobs are never interrupted, and end at
    most (2 - 1/m)-fold later than in the best schedule if all hold one of m equal machines
    (Graham 1969). SettingsError for a job that asks for more than there is.
    """
    for job in jobs:
        if job.gpus > gpus or job.threads > cores:
            raise SettingsError(
                f"planning.clusters: a job of {job.rule} asks for more than {gpus} GPUs, "
                f"{cores} cores"
            )
    chain = longest_to_end(waits, seconds)
    followers: list[list[int]] = [[] for _ in jobs]
    for place, before in enumerate(waits):
        for other in before:
            followers[other].append(place)
    missing = [len(before) for before in waits]
    starts, ends = [0.0] * len(jobs), [0.0] * len(jobs)
    ready = [(-chain[place], place) for place, count in enumerate(missing) if not count]
    running: list[tuple[float, int]] = []
    free_gpus, free_cores, now = gpus, cores, 0.0
    while ready or running:
        waiting = []
        for rank, place in sorted(ready):
            job = jobs[place]
            if job.gpus > free_gpus or job.threads > free_cores:
                waiting.append((rank, place))
                continue
            free_gpus, free_cores = free_gpus - job.gpus, free_cores - job.threads
            starts[place], ends[place] = now, now + seconds[place]
            heapq.heappush(running, (ends[place], place))
        ready = waiting
        now = running[0][0]
        while running and running[0][0] == now:
            place = heapq.heappop(running)[1]
            free_gpus, free_cores = free_gpus + jobs[place].gpus, free_cores + jobs[place].threads
            for other in followers[place]:
                missing[other] -= 1
                if not missing[other]:
                    ready.append((-chain[other], other))
    makespan, path = max(ends, default=0.0), max(chain, default=0.0)
    gpu_work = sum(job.gpus * s for job, s in zip(jobs, seconds, strict=True))
    core_work = sum(job.threads * s for job, s in zip(jobs, seconds, strict=True))
    return Schedule(
        starts=starts,
        ends=ends,
        makespan=makespan,
        critical_path=path,
        bound=max(path, gpu_work / gpus if gpus else 0.0, core_work / cores),
        gpu_use=gpu_work / (gpus * makespan) if gpu_work else None,
        core_use=core_work / (cores * makespan) if makespan else 0.0,
    )

"""Which jobs need which, and how long the chains of them are."""

from collections.abc import Collection, Sequence
from graphlib import TopologicalSorter

from stagewise.planning.jobs import Job

Needs = list[set[int]]
"""Of each job, the places of those it waits for."""


def needs(jobs: Sequence[Job]) -> Needs:
    """Of each job, the places of the jobs that make its inputs."""
    maker = {path: place for place, job in enumerate(jobs) for path in job.outputs}
    return [{maker[path] for path in job.inputs if path in maker} for job in jobs]


def reached(jobs: Sequence[Job], waits: Needs, files: Collection[str]) -> set[int]:
    """The places of all jobs that any of `files` takes."""
    todo = [place for place, job in enumerate(jobs) if job.outputs & set(files)]
    found: set[int] = set()
    while todo:
        place = todo.pop()
        if place not in found:
            found.add(place)
            todo.extend(waits[place])
    return found


def in_order(waits: Needs) -> list[int]:
    """The places, each after those it waits for; CycleError if there is no such order."""
    return list(TopologicalSorter(dict(enumerate(waits))).static_order())


def longest_to_end(waits: Needs, seconds: Sequence[float]) -> list[float]:
    """Of each job, the seconds of the longest chain of jobs that begins with it."""
    longest = list(seconds)
    for place in reversed(in_order(waits)):
        for before in waits[place]:
            longest[before] = max(longest[before], seconds[before] + longest[place])
    return longest


def among(waits: Needs, places: Collection[int]) -> Needs:
    """What the jobs at `places`, sorted, wait for, by their places among them."""
    number = {place: new for new, place in enumerate(sorted(places))}
    return [{number[p] for p in waits[place] if p in number} for place in sorted(places)]

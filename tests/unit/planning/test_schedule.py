"""Simulated schedules of graphs whose best schedule is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagewise.planning.graph import Needs, longest_to_end, needs, reached
from stagewise.planning.jobs import Job
from stagewise.planning.schedule import Schedule, schedule
from stagewise.settings import SettingsError


def on_gpus(count: int) -> list[Job]:
    """Jobs of a GPU each."""
    return [Job("sample", frozenset(), frozenset({str(k)}), gpus=1) for k in range(count)]


def on(gpus: int, seconds: list[float], waits: Needs) -> Schedule:
    """Jobs of one GPU each, with cores for all."""
    jobs = on_gpus(len(seconds))
    return schedule(jobs, waits, seconds, gpus=gpus, cores=len(jobs))


def test_chain_takes_the_sum() -> None:
    found = on(8, [1.0, 2.0, 3.0], [set(), {0}, {1}])
    assert (found.makespan, found.critical_path, found.bound) == (6.0, 6.0, 6.0)
    assert found.starts == [0.0, 1.0, 3.0]
    assert found.gpu_use == pytest.approx(6 / (8 * 6))


def test_independent_jobs_fill_the_machines() -> None:
    found = on(4, [2.0] * 8, [set() for _ in range(8)])
    assert (found.makespan, found.critical_path) == (4.0, 2.0)
    assert found.gpu_use == 1.0


def test_diamond_takes_its_longer_side() -> None:
    waits: Needs = [set(), {0}, {0}, {1, 2}]
    assert on(2, [1.0, 5.0, 2.0, 1.0], waits).makespan == 7.0
    assert on(1, [1.0, 5.0, 2.0, 1.0], waits).makespan == 9.0


def test_longest_path_goes_first() -> None:
    """Of jobs 0 and 1 the second has a long chain behind it; the other order takes 7."""
    found = on(1, [1.0, 1.0, 5.0], [set(), set(), {1}])
    assert found.starts[1] == 0.0
    two = on(2, [3.0, 1.0, 5.0, 3.0], [set(), set(), {1}, set()])
    assert two.makespan == 6.0


def test_jobs_without_a_gpu_run_beside_those_that_wait_for_one() -> None:
    jobs = [*on_gpus(2), Job("measure", frozenset(), frozenset({"table"}))]
    found = schedule(jobs, [set(), set(), set()], [4.0, 4.0, 8.0], gpus=1, cores=2)
    assert found.makespan == 8.0
    assert found.gpu_use == 1.0
    assert schedule(jobs, [set()] * 3, [4.0, 4.0, 8.0], gpus=1, cores=1).makespan == 16.0


def test_job_that_fits_nowhere_is_named() -> None:
    with pytest.raises(SettingsError, match="a job of sample asks for more than 0 GPUs"):
        schedule(on_gpus(1), [set()], [1.0], gpus=0, cores=1)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Job], Needs, list[float]]:
    """Jobs that wait for some of those before them."""
    count = draw(st.integers(1, 12))
    waits = [set(draw(st.lists(st.integers(0, k - 1), max_size=3))) if k else set()
             for k in range(count)]  # fmt: skip
    jobs = [
        Job(
            "any",
            frozenset(map(str, waits[k])),
            frozenset({str(k)}),
            threads=draw(st.integers(1, 3)),
            gpus=draw(st.integers(0, 2)),
        )
        for k in range(count)
    ]
    return jobs, waits, [float(draw(st.integers(0, 9))) for _ in range(count)]


@settings(max_examples=200, deadline=None)
@given(graphs(), st.integers(2, 5), st.integers(3, 6))
def test_any_schedule_is_possible_and_within_bounds(
    graph: tuple[list[Job], Needs, list[float]], gpus: int, cores: int
) -> None:
    jobs, waits, seconds = graph
    assert needs(jobs) == waits
    found = schedule(jobs, waits, seconds, gpus=gpus, cores=cores)
    assert found.critical_path == max(longest_to_end(waits, seconds))
    assert found.bound <= found.makespan <= sum(seconds)
    for place, before in enumerate(waits):
        assert all(found.ends[other] <= found.starts[place] for other in before)
        assert found.ends[place] == found.starts[place] + seconds[place]
    for moment in found.starts:
        at = [j for j, s, e in zip(jobs, found.starts, found.ends, strict=True) if s <= moment < e]
        assert sum(job.gpus for job in at) <= gpus
        assert sum(job.threads for job in at) <= cores


def test_what_a_file_takes() -> None:
    jobs = [
        Job("train", frozenset(), frozenset({"a"})),
        Job("sample", frozenset({"a"}), frozenset({"b"})),
        Job("draw", frozenset({"b", "not made"}), frozenset({"figure"})),
        Job("other", frozenset({"a"}), frozenset({"c"})),
    ]
    assert reached(jobs, needs(jobs), ["figure"]) == {0, 1, 2}

"""Sums over jobs whose sums are known."""

import pytest

from stagewise.planning import tables
from stagewise.planning.jobs import Job


@pytest.fixture
def jobs() -> list[Job]:
    """A run that two figures share, drawn by each."""
    return [
        Job("train", frozenset(), frozenset({"a"}), 2, 0, 2000, 60, 3600, 500),
        Job("sample", frozenset({"a"}), frozenset({"b"}), 1, 1, 16000, 120, 1800, 250),
        Job("figure", frozenset({"b"}), frozenset({"1.pdf"}), 1, 0, 1000, 10),
        Job("figure", frozenset({"a"}), frozenset({"2.pdf"}), 1, 0, 1000, 10),
    ]


FILES = {"1": ["1.pdf"], "2": ["2.pdf"]}


def test_resources_are_summed_by_figure_and_rule(jobs: list[Job]) -> None:
    table = tables.resources(jobs, tables.figures(jobs, FILES)).set_index(["figure", "rule"])
    first = table.loc["1", "all"]
    assert (first.jobs, first.shared, first.without_hours) == (3, 1, 1)
    assert (first.cpu_hours, first.gpu_hours) == (2.0, 0.5)
    assert (first.cpu_hours_limit, first.gpu_hours_limit) == pytest.approx((2.167, 2.0))
    assert (first.memory_gb, first.output_gb) == (16.0, 0.75)
    assert table.loc["2", "all"].jobs == 2
    both = table.loc["all", "all"]
    assert (both.jobs, both.shared, both.cpu_hours) == (4, 1, 2.0), "what is shared, once"


def test_what_is_not_known_is_empty(jobs: list[Job]) -> None:
    table = tables.resources(jobs, tables.figures(jobs, FILES)).set_index(["figure", "rule"])
    drawn = table.loc["1", "figure"]
    assert drawn[["cpu_hours", "gpu_hours", "output_gb"]].isna().all()
    assert drawn.without_hours == drawn.without_output == 1


def test_schedules_take_limits_where_there_is_no_estimate(jobs: list[Job]) -> None:
    table = tables.schedules(jobs, tables.figures(jobs, FILES), [{"gpus": 1, "cores": 2}])
    assert table["figure"].tolist() == ["1", "2", "all"]
    assert table["hours"].tolist() == pytest.approx([1.667, 1.167, 1.667])
    assert table["gpu_use"].isna().tolist() == [False, True, False]

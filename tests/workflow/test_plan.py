"""The plan of a run: what rules declare, of every job, and nothing made or locked by asking."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from copies import ROOT, Copy, fresh

pytestmark = pytest.mark.workflow

PLAN = "results/plan.csv"


def planned(copy: Copy, name: str = "results/plan.csv") -> pd.DataFrame:
    """The table, by figure and rule."""
    table = pd.read_csv(copy.path / name, dtype={"figure": str})
    return table.set_index(["figure", "rule"])


def test_plan_is_what_the_rules_declare(untouched: Copy, start: Copy) -> None:
    start.made(PLAN)
    rules = Counter(job.split()[0] for job in untouched.plan() if job != "all")
    table = planned(start)
    assert dict(table.loc["all"].jobs.drop("all")) == rules
    assert table.loc[("all", "all")].jobs == rules.total()
    figure = table.loc["99"]
    assert figure.loc["figure_tiny"].jobs == 1
    assert "claims" not in figure.index, "a figure does not take the claims"
    sample = table.loc[("all", "sample")]
    assert sample.memory_gb == 4.0
    assert sample.cpu_hours_limit == sample.jobs, "an hour each, one core each"
    assert sample.gpu_hours_limit == 0
    schedule = pd.read_csv(start.path / "results/schedule.csv", dtype={"figure": str})
    assert set(schedule["figure"]) == {"99", "all"}
    assert (schedule["hours"] >= schedule["bound_hours"]).all()


def test_testbed_without_known_sizes_is_left_empty(start: Copy) -> None:
    """`line` is a testbed of this paper alone: nothing is known of what its training takes."""
    start.made(PLAN)
    train = planned(start).loc[("all", "train")]
    assert train[["cpu_hours", "gpu_hours", "output_gb"]].isna().all()
    assert train.without_hours == train.without_output == train.jobs
    valleys = planned(start).loc[("all", "sample")]
    assert valleys.jobs > valleys.without_hours > 0
    assert valleys.cpu_hours > 0


def test_finished_jobs_are_planned_too(done: Copy, start: Copy) -> None:
    """The plan is of a run from nothing, and making it is no reason for anything to run."""
    done.made(PLAN)
    start.made(PLAN)
    assert (done.path / PLAN).read_text() == (start.path / PLAN).read_text()
    assert done.plan() == {}


def test_plan_is_made_again_when_what_it_is_of_changes(start: Copy) -> None:
    start.made(PLAN)
    assert start.plan(PLAN) == {}
    start.configure("testbeds", "line", "fits", "seeds", to=[0, 1, 2])
    assert set(start.plan(PLAN)) == {"plan plan"}
    before = planned(start).loc[("all", "train")].jobs
    start.made(PLAN)
    assert planned(start).loc[("all", "train")].jobs == before + 1
    start.edit(
        "workflow/rules/train.smk", lambda text: text.replace("growing(2000)", "growing(3000)")
    )
    assert set(start.plan(PLAN)) == {"plan plan"}


def test_faster_machines_change_the_plan_and_no_result(done: Copy) -> None:
    done.configure("planning", "core", to=lambda speed: 2 * speed)
    assert done.plan() == {}


def test_overlay_is_planned(start: Copy, tmp_path: Path) -> None:
    """What a scale lays over the configuration, and what it takes away."""
    overlay = tmp_path / "overlay.yaml"
    fits = start.configuration()["testbeds"]["line"]["fits"]
    changes = {"fits": {"seeds": [5], "sampling": fits["sampling"]}}
    overlay.write_text(yaml.safe_dump({"results": "elsewhere", "testbeds": {"line": changes}}))
    start.made("elsewhere/plan.csv", "--configfile", str(overlay))
    assert planned(start, "elsewhere/plan.csv").loc[("all", "train")].jobs == 1


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return fresh(tmp_path_factory.mktemp("repository") / "copy")


def test_every_figure_is_planned_at_the_paper_scale(repository: Copy) -> None:
    repository.made("results-paper/plan.csv", "--configfile", "workflow/scales/paper.yaml")
    table = planned(repository, "results-paper/plan.csv")
    pages = [yaml.safe_load(p.read_text()) for p in (ROOT / "workflow/papers").glob("*.yaml")]
    for page in pages:
        of_figure = table.loc[str(page["figure"])]
        assert of_figure.loc[f"figure_{page['slug']}"].jobs == 1
        assert of_figure.loc["all"].cpu_hours > 0
    sampled = table.loc[("all", "sample")]
    assert sampled.gpu_hours > 0
    assert sampled.without_hours == 0, "every sampling of the papers has an estimate"
    assert table.loc[("all", "train")].gpu_hours == 0, "training has no device: it runs on cores"


def test_every_run_of_the_paper_scale_is_planned(repository: Copy) -> None:
    """Those, too, that no figure takes: the large classes of deep linear networks, on demand."""
    overlay = yaml.safe_load((ROOT / "workflow/scales/paper.yaml").read_text())
    targets = [
        f"results-paper/{testbed}/{variant}/seed{section['seeds'][-1]}/{name}/llc.csv"
        for testbed, family in overlay["testbeds"].items()
        for variant, section in family.items()
        for name in section.get("sampling", {})
        if "seeds" in section
    ]
    assert any("benchmark_100M" in target for target in targets)
    jobs = repository.plan(*targets, "--configfile", "workflow/scales/paper.yaml")
    assert sum(job.startswith("llc ") for job in jobs) == len(targets)

"""What runs again after a change, and that the reason names the change."""

import ast
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copies import Copy

from stagewise.tracking import KEPT

pytestmark = pytest.mark.workflow

CLAIMS = {"judge tiny/claims", "claims claims", "all"}
FIGURE = {"figure_tiny figure99", "provenance provenance", "all"}
RELIABILITY = {"reliability reliability", "all"}
PAPER = {"measured tiny/measured"} | CLAIMS | FIGURE
LINES = {"measure tiny/lines"} | PAPER
VALLEYS = {"measure tiny/valleys"} | PAPER


def fits(*rules: str, seeds: tuple[int, ...] = (0, 1)) -> set[str]:
    """Jobs of the fitted lines, and the table of all draws if any are made again."""
    files = {"train": "checkpoints", "sample": "sgld/draws", "llc": "sgld/llc"}
    jobs = {f"{rule} line/fits/seed{seed}/{files[rule]}" for rule in rules for seed in seeds}
    return jobs | RELIABILITY if "sample" in rules else jobs


def valleys(*rules: str) -> set[str]:
    """Jobs of the known valleys, likewise."""
    files = {"sample": "mala/draws", "llc": "mala/llc"}
    jobs = {f"{rule} polynomial/valleys/seed0/{files[rule]}" for rule in rules}
    return jobs | RELIABILITY if "sample" in rules else jobs


CODE = {
    "scripts/train_run.py": fits("train", "sample", "llc") | LINES,
    "scripts/sample_posterior.py": fits("sample", "llc")
    | valleys("sample", "llc")
    | LINES
    | VALLEYS,
    "scripts/judge_claims.py": CLAIMS,
    "scripts/draw_figure.py": FIGURE,
    "src/stagewise/testbeds/line.py": fits("train", "sample", "llc") | LINES,
    "src/stagewise/training/loop.py": fits("train", "sample", "llc") | LINES,
    "src/stagewise/samplers/sgld.py": fits("sample", "llc") | LINES,
    "src/stagewise/samplers/mala.py": valleys("sample", "llc") | VALLEYS,
    "src/stagewise/estimators/llc.py": fits("llc") | valleys("llc") | LINES | VALLEYS,
    "src/stagewise/theory/normal_crossing.py": VALLEYS,
    "src/stagewise/findings/tiny_lines.py": LINES,
    "src/stagewise/findings/judge.py": CLAIMS,
    "src/stagewise/figures/tiny.py": FIGURE,
    "src/stagewise/figures/style.py": FIGURE,
}


@pytest.mark.parametrize("file", CODE)
def test_changed_code_reruns_what_reaches_it(done: Copy, file: str) -> None:
    done.append(file)
    plan = done.plan()
    assert set(plan) == CODE[file]
    first = [reason for reason in plan.values() if "Params have changed" in reason]
    assert first
    for reason in first:
        # The file, with its digest before and after; no other file and no setting.
        assert set(re.findall(r"\w+/[\w/]+\.py|\w+ = ", reason)) == {file}


SAMPLING = ("testbeds", "line", "fits", "sampling", "sgld")
SETTINGS = {
    "a sampling's": (
        (*SAMPLING, "chains"),
        3,
        "sampling.chains = 3",
        fits("sample", "llc") | LINES,
    ),
    "a sampling's new": (
        (*SAMPLING, "thin"),
        2,
        "sampling.thin = 2",
        fits("sample", "llc") | LINES,
    ),
    "a training's": (
        ("testbeds", "line", "fits", "training", "configurations", 1, "learning_rate"),
        0.02,
        "training.configurations.1.learning_rate = 0.02",
        fits("train", "sample", "llc") | LINES,
    ),
    "a testbed's": (
        ("testbeds", "line", "fits", "model", "samples"),
        64,
        "model.samples = 64",
        fits("train", "sample", "llc") | LINES,
    ),
    "an estimator's": (
        ("llc", "level"),
        0.8,
        "{'level': 0.8}",
        fits("llc") | valleys("llc") | LINES | VALLEYS,
    ),
    "a finding's": (("papers", "tiny", "lines", "margin"), 0.25, "margin = 0.25", LINES),
}


@pytest.mark.parametrize("whose", SETTINGS)
def test_changed_setting_reruns_what_reads_it(done: Copy, whose: str) -> None:
    keys, value, shown, expected = SETTINGS[whose]
    done.configure(*keys, to=value)
    plan = done.plan()
    assert set(plan) == expected
    for reason in plan.values():
        if "Params have changed" in reason:
            assert shown in reason
            assert len(re.findall(r" = ", reason)) <= 2, "settings that did not change are shown"


def test_added_seed_runs_alone(done: Copy) -> None:
    done.configure("testbeds", "line", "fits", "seeds", to=[0, 1, 7])
    plan = done.plan()
    assert set(plan) == fits("train", "sample", "llc", seeds=(7,)) | LINES
    assert "seed7" in plan["measure tiny/lines"]


def test_removed_seed_is_no_longer_collected(done: Copy) -> None:
    done.configure("testbeds", "line", "fits", "seeds", to=[0])
    plan = done.plan()
    assert set(plan) == LINES | RELIABILITY
    assert "input" in plan["measure tiny/lines"]


def test_null_in_an_overlay_takes_away(done: Copy) -> None:
    """A setting that is null is as if it were not there; a whole section too."""
    sgld = {"thin": None, "observables": None}
    overlay = {"testbeds": {"line": {"fits": {"sampling": {"sgld": sgld}}, "unrelated": None}}}
    (done.path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    assert done.plan("--configfile", "overlay.yaml") == {}


def test_diagnostics_on_request(done: Copy) -> None:
    page = "results/polynomial/valleys/seed0/mala/diagnostics.pdf"
    assert set(done.plan(page)) == {"diagnostics polynomial/valleys/seed0/mala/diagnostics"}
    done.made(page)
    assert (done.path / page).stat().st_size > 5000
    assert done.plan() == {}


def test_page_reruns_its_verdicts_only(done: Copy) -> None:
    done.edit("workflow/papers/tiny.yaml", lambda page: page.replace("[0, 3]", "[0, 2]"))
    plan = done.plan()
    assert set(plan) == CLAIMS
    assert "workflow/papers/tiny.yaml" in plan["judge tiny/claims"]


def test_deleted_file_is_made_again_when_asked_for(done: Copy) -> None:
    table = "results/line/fits/seed0/sgld/llc.csv"
    (done.path / table).unlink()
    assert set(done.plan(table)) == fits("llc", seeds=(0,))
    assert done.plan() == {}, "everything that was made from it is there and up to date"
    (done.path / "results/figure99.pdf").unlink()
    assert set(done.plan()) == FIGURE


def _backwards(value: object) -> object:
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def _permute_keys(copy: Copy) -> None:
    copy.edit(
        "config.yaml",
        lambda text: yaml.safe_dump(_backwards(yaml.safe_load(text)), sort_keys=False),
    )


def _comment(copy: Copy) -> None:
    for path in _sources(copy):
        copy.append(path, "\n# A remark.\n")
    copy.append("config.yaml", "# A remark.\n")
    copy.edit(
        "src/stagewise/engine/sample.py",
        lambda text: text.replace('    """', '    """As everyone knows: ', 1),
    )


def _reformat(copy: Copy) -> None:
    for path in _sources(copy):
        file = copy.path / path
        file.write_text(ast.unparse(ast.parse(file.read_text())) + "\n")


def _touch(copy: Copy) -> None:
    later = time.time() + 5
    for folder in ("src", "scripts", "workflow", "profiles"):
        for path in (copy.path / folder).rglob("*"):
            os.utime(path, (later, later))
    for path in copy.path.iterdir():
        if path.is_file():
            os.utime(path, (later, later))


def _add_beside(copy: Copy) -> None:
    (copy.path / "src/stagewise/estimators/unrelated.py").write_text("ANSWER = 42\n")
    (copy.path / "src/stagewise/testbeds/unrelated.py").write_text("ANSWER = 42\n")
    copy.configure("testbeds", "unrelated", to={"variant": {"seeds": [3]}})
    copy.configure("testbeds", "line", "other", to={"seeds": [3], "model": {"samples": 9}})


def _spoil_what_was_parsed(copy: Copy) -> None:
    """What an earlier run knew of the source files is used if this version made it, or not."""
    assert len(json.loads((copy.path / KEPT).read_text())["parsed"]) > 100
    spoiled = {"maker": "another", "parsed": {"0": ["0", []]}}
    (copy.path / KEPT).write_text(json.dumps(spoiled))


def _cut_what_was_parsed(copy: Copy) -> None:
    path = copy.path / KEPT
    path.write_bytes(path.read_bytes()[:1000])


HARMLESS = [
    _permute_keys,
    _comment,
    _reformat,
    _touch,
    _add_beside,
    _spoil_what_was_parsed,
    _cut_what_was_parsed,
]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__.strip("_"))
def test_harmless_edit_reruns_nothing(done: Copy, change: Callable[[Copy], None]) -> None:
    change(done)
    assert done.plan() == {}


def _sources(copy: Copy) -> list[str]:
    found = [*(copy.path / "src").rglob("*.py"), *(copy.path / "scripts").glob("*.py")]
    return [str(Path(path).relative_to(copy.path)) for path in found if path.stat().st_size]

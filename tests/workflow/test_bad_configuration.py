"""Settings and pages that cannot be used: one message that names the key, before any job.

Every case is held against the checks that the Snakefile calls; one of each kind goes through
Snakemake itself.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from copies import ROOT, TINY, Copy

from stagewise.configuration import check_configuration, check_page, check_parts
from stagewise.settings import SettingsError

pytestmark = pytest.mark.workflow

FITS = ("testbeds", "line", "fits")
SGLD = (*FITS, "sampling", "sgld")
TRAINING = (*FITS, "training")


def refused(copy: Copy, *named: str, run: bool = False) -> str:
    """The message of a run that must end before its first job; it names each of `named`."""
    ended = copy.snakemake() if run else copy.snakemake("--dry-run")
    assert ended.status == 1, ended.text
    for text in named:
        assert text in ended.text
    assert "stagewise: " in ended.text
    for sign in ("Traceback", 'File "'):
        assert sign not in ended.text
    made = [path for path in (copy.path / "results").rglob("*") if path.name != ".layout"]
    assert not made
    return ended.text


# keys, value, what the message says
SETTINGS: dict[str, tuple[tuple[str | int, ...], Any, list[str]]] = {
    "unknown": (("zeal",), 1, ["zeal: unknown setting; known: scale"]),
    "misspelt": ((*SGLD, "chainz"), 2, [".sgld.chainz: unknown setting", "did you mean 'chains'?"]),
    "mistyped": ((*SGLD, "chains"), "2", [".sgld.chains: '2' is not of type 'integer'"]),
    "yes for a number": ((*SGLD, "thin"), True, [".sgld.thin: True is not of type 'integer'"]),
    "out of range": (("llc", "level"), 1.5, ["llc.level: 1.5 is greater than or equal to"]),
    "no seeds": ((*FITS, "seeds"), [], ["line.fits.seeds: must not be empty"]),
    "a seed twice": ((*FITS, "seeds"), [1, 1], ["line.fits.seeds: [1, 1] has non-unique"]),
    "all is burn-in": ((*SGLD, "burn_in"), 64, [".sgld.burn_in: must be from 0 to steps - 1"]),
    "unstable": ((*SGLD, "epsilon"), 5, [".sgld.epsilon: 5 times the curvature diverges"]),
    "foreign option": (
        (*SGLD, "options"),
        {"leapfrog": 3},
        [".sgld.options: the sampler sgld has no options"],
    ),
    "misspelt option": (
        SGLD,
        lambda section: section | {"kernel": "hmc", "options": {"leapfrogs": 3}},
        [".sgld.options.leapfrogs: unknown setting; expected leapfrog"],
    ),
    "no tether": (
        SGLD,
        lambda section: section | {"localization": 0, "start": "tether"},
        [".sgld.localization: must be positive to start from the tether"],
    ),
    "rising targets": ((*TRAINING, "target_losses"), [0.1, 0.2], ["target_losses: must fall"]),
    "no configurations": (
        (*TRAINING, "configurations"),
        [],
        [".configurations: must not be empty"],
    ),
    "in a list": (
        (*TRAINING, "configurations", 0, "momentum"),
        1,
        ["training.configurations.0.momentum: 1 is greater than or equal to"],
    ),
    "no such testbed": (
        ("testbeds", "lines"),
        {"fits": {"seeds": [0]}},
        ["testbeds.lines: there is no src/stagewise/testbeds/lines.py; did you mean 'line'?"],
    ),
    "no such sampler": (
        (*SGLD, "kernel"),
        "sgdl",
        [".sgld.kernel: there is no src/stagewise/samplers/sgdl.py; did you mean 'sgld'?"],
    ),
    "not a sampler": ((*SGLD, "kernel"), "target", [".sgld.kernel: there is no"]),
    "no such paper": (
        ("papers", "tine"),
        {},
        ["papers.tine: there is no such paper; did you mean 'tiny'?"],
    ),
    "no such part": (
        ("papers", "tiny", "line"),
        {},
        ["papers.tiny.line: there is no such part; did you mean 'lines'?"],
    ),
    "a name that is a path": (
        ("testbeds", "line", "fits/more"),
        {"seeds": [0]},
        ["testbeds.line.fits/more: a name may hold letters, digits, _ and - only"],
    ),
    "a sampling's name": (
        (*FITS, "sampling", "a|b"),
        {},
        ["line.fits.sampling.a|b: a name may hold"],
    ),
    "keys that are not text": (
        (*FITS, "model"),
        {"samples": 32, "list": [{None: 1}], 3: 4},
        ["fits.model.list.0.None: keys must be text; write it in quotes", "fits.model.3: keys"],
    ),
    "two at once": (
        SGLD,
        lambda section: section | {"chains": 0, "steps": "many"},
        [".sgld.chains: 0 is less than the minimum", ".sgld.steps: 'many' is not of type"],
    ),
}


def changed(config: dict[str, Any], keys: tuple[str | int, ...], value: Any) -> None:
    """Sets a key deep in `config`; `value` may be a function of the value before."""
    parent: Any = config
    for key in keys[:-1]:
        parent = parent[key]
    parent[keys[-1]] = value(parent[keys[-1]]) if callable(value) else value


def schema(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "workflow/schemas" / name).read_text())


def check_all(config: dict[str, Any], copy: Copy) -> None:
    """What the Snakefile of a copy checks."""
    check_configuration(config, schema("config.schema.yaml"), copy.path / "src/stagewise")
    check_parts(config["papers"], {"tiny": {"lines": {}, "valleys": {}}})


@pytest.mark.parametrize("case", SETTINGS)
def test_setting_is_refused(untouched: Copy, case: str) -> None:
    keys, value, named = SETTINGS[case]
    config = untouched.configuration()
    changed(config, keys, value)
    with pytest.raises(SettingsError) as caught:
        check_all(config, untouched)
    for text in named:
        assert text in str(caught.value)


def test_settings_are_accepted(untouched: Copy) -> None:
    check_all(untouched.configuration(), untouched)


@pytest.mark.parametrize(
    "case", ["misspelt", "mistyped", "all is burn-in", "no such testbed", "no such part"]
)
def test_snakemake_refuses_setting(start: Copy, case: str) -> None:
    keys, value, named = SETTINGS[case]
    start.configure(*keys, to=value)
    refused(start, *named)


@pytest.mark.parametrize("key", ["testbeds", "llc"])
def test_missing_section_is_named(untouched: Copy, key: str) -> None:
    config = untouched.configuration()
    del config[key]
    with pytest.raises(SettingsError, match=f"^The .*\n{key}: missing$"):
        check_configuration(config, schema("config.schema.yaml"), ROOT / "src/stagewise")


def test_missing_setting_is_named(start: Copy) -> None:
    start.drop(*SGLD, "chains")
    refused(start, ".sgld.chains: missing")


def _claim(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda page: page["claims"][0].update(changes)


PAGES: dict[str, tuple[Callable[[dict[str, Any]], None], list[str]]] = {
    "condition": (_claim(condition="about 1"), ["claims.0.condition", "'about 1'"]),
    "empty range": (_claim(condition="in [2, 1]"), ["claim regular: condition 'in [2, 1]'"]),
    "not numbers": (_claim(condition="in [a, b]"), ["condition 'in [a, b]' cannot be read"]),
    "slug": (lambda page: page.update(slug="small"), ["slug: is 'small', expected 'tiny'"]),
    "unknown key": (
        lambda page: page.update(autors="Somebody"),
        ["autors: unknown setting; did you mean 'authors'?"],
    ),
    "same id": (_claim(id="valleys"), ["2 claims have the id 'valleys'"]),
    "half a claim": (
        lambda page: page["claims"][0].pop("condition"),
        ["claims.0", "'condition' is a dependency of 'statistic'"],
    ),
}


@pytest.mark.parametrize("case", PAGES)
def test_page_is_refused(case: str) -> None:
    change, named = PAGES[case]
    page = yaml.safe_load((TINY / "workflow/papers/tiny.yaml").read_text())
    check_page(page, schema("paper.schema.yaml"), Path("tiny.yaml"))
    change(page)
    with pytest.raises(SettingsError) as caught:
        check_page(page, schema("paper.schema.yaml"), Path("tiny.yaml"))
    for text in ("workflow/papers/tiny.yaml", *named):
        assert text in str(caught.value)


def test_snakemake_refuses_page(start: Copy) -> None:
    start.edit("workflow/papers/tiny.yaml", lambda page: page.replace("[0, 3]", "[3, 0]"))
    refused(start, "workflow/papers/tiny.yaml", "claim valleys: condition 'in [3, 0]'")


def test_page_that_is_not_yaml_is_refused(start: Copy) -> None:
    (start.path / "workflow/papers/tiny.yaml").write_text("claims: [\n")
    refused(start, "workflow/papers/tiny.yaml is not YAML")


def test_page_without_rules_is_refused(start: Copy) -> None:
    (start.path / "workflow/rules/papers/tiny.smk").unlink()
    refused(start, "there is no workflow/rules/papers/tiny.smk")


def test_two_pages_of_one_figure_are_refused(start: Copy) -> None:
    page = (start.path / "workflow/papers/tiny.yaml").read_text()
    (start.path / "workflow/papers/twin.yaml").write_text(page.replace("slug: tiny", "slug: twin"))
    (start.path / "workflow/rules/papers/twin.smk").touch()
    refused(start, "tiny and twin are both figure 99")


@pytest.mark.parametrize("results", ["README.md", "README.md/below"])
def test_results_folder_that_is_a_file_is_refused(start: Copy, results: str) -> None:
    start.configure("results", to=results)
    refused(start, "results: README.md is a file")


def test_results_folder_that_cannot_be_written_is_refused(start: Copy) -> None:
    # Not even the superuser makes a folder there.
    start.configure("results", to="/proc/nowhere")
    refused(start, "cannot write to the results folder /proc/nowhere", run=True)
    start.configure("results", to="results")
    assert start.plan(), "the lock was released"


def test_results_of_another_layout_are_refused(start: Copy) -> None:
    folder = start.path / "results"
    folder.mkdir()
    (folder / ".layout").write_text("0")
    refused(start, "results/ was made with results layout 0")
    (folder / ".layout").unlink()
    (folder / "figure99.pdf").touch()
    ended = start.snakemake("--dry-run")
    assert "results/ was made with results layout none" in ended.text

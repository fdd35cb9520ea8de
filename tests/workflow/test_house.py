"""What holds of the repository as a whole: layers, pins, lint, a quick dry run of everything."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from commands import environment
from copies import ROOT, Copy, fresh

pytestmark = pytest.mark.workflow

PACKAGE = ROOT / "src/stagewise"
LAYERS = [
    {"theory", "samplers", "estimators", "models", "data", "compression"},
    {"engine", "testbeds", "training"},
    {"findings"},
    {"figures"},
    {"planning"},
]
"""From the bottom: a layer imports from itself and from those before it."""
PLAIN = {"settings", "seeds"}
"""Modules of the package itself that every layer may use."""
FILES = {"artifacts", "tables", "provenance", "progress", "resume", "hub", "pretrained"}
"""Modules that read and write files: not for the lowest layer."""


def imported(path: Path) -> set[str]:
    """First names below `stagewise` that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("stagewise.")}
    return found


def test_layers_import_downwards() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set.union(*LAYERS), "a package of no layer"
    for height, layer in enumerate(LAYERS):
        allowed = set.union(*LAYERS[: height + 1]) | PLAIN | (FILES if height else set())
        for package in layer & packages:
            for path in (PACKAGE / package).rglob("*.py"):
                assert imported(path) <= allowed, path


def test_package_files_are_empty() -> None:
    """Else every module would depend on whatever they import."""
    assert [p for p in PACKAGE.rglob("__init__.py") if p.stat().st_size] == []


def test_parsing_and_drawing_do_without_torch() -> None:
    """The Snakefile is parsed by every launch and cluster job, figures are drawn from tables."""
    figures = [f"stagewise.figures.{path.stem}" for path in (PACKAGE / "figures").glob("[a-z]*.py")]
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "stagewise.configuration",
            "stagewise.planning.estimates",
            "stagewise.tracking",
            *figures,
        ],
        check=True,
        env=environment() | {"PYTHONPATH": str(ROOT / "src")},
    )


def test_modules_stay_small() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): size for path, size in sizes.items() if size > 300} == {}
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 65


def test_steps_see_their_job_only() -> None:
    for path in [*(ROOT / "scripts").glob("*.py"), *PACKAGE.rglob("*.py")]:
        assert "snakemake.config" not in path.read_text(), path


def test_every_rule_lists_its_code() -> None:
    for path in (ROOT / "workflow/rules").rglob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            script = re.search(r'script:\s*"[./]*scripts/(\w+\.py)"', rule)
            tracked = re.search(r'\*code\(\s*"(\w+\.py)"', rule)
            assert script, f"{path.name}: {rule.splitlines()[0]}"
            assert tracked, f"{path.name}: {rule.splitlines()[0]}"
            assert script[1] == tracked[1], f"{path.name}: {rule.splitlines()[0]}"


def test_profiles_decide_reruns_alike() -> None:
    profiles = sorted((ROOT / "profiles").glob("*/profile.yaml"))
    assert ROOT / "profiles/default/profile.yaml" in profiles
    for path in profiles:
        profile = yaml.safe_load(path.read_text())
        triggers = profile["rerun-triggers"]
        assert sorted(triggers) == ["input", "mtime", "params", "software-env"], path
        assert profile["rerun-incomplete"] is True, path


@pytest.mark.parametrize(
    ("path", "groups"),
    [("environment.yml", []), ("workflow/envs/attribution.yml", ["attribution"])],
)
def test_conda_environments_have_the_locked_versions(path: str, groups: list[str]) -> None:
    command = [sys.executable, "workflow/environment.py", *groups]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert (ROOT / path).read_text() == printed


def test_lock_names_public_hosts_only() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return fresh(tmp_path_factory.mktemp("repository") / "copy")


def test_workflow_is_linted_and_formatted(repository: Copy) -> None:
    assert "Congratulations" in repository.made("--lint")
    subprocess.run(
        [Path(sys.executable).parent / "snakefmt", "--check", "Snakefile", "workflow"],
        cwd=repository.path,
        check=True,
    )


SCALES = [None, *sorted(path.name for path in (ROOT / "workflow/scales").glob("*.yaml"))]


@pytest.mark.parametrize("scale", SCALES)
def test_everything_is_planned_quickly(
    repository: Copy, scale: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every figure at every scale; 8 s are the aim on an idle machine."""
    overlay = ["--configfile", f"workflow/scales/{scale}"] if scale else []
    before = time.monotonic(), os.times()
    jobs = repository.plan(*overlay)
    elapsed, after = time.monotonic() - before[0], os.times()
    spent = after.children_user - before[1].children_user
    with capsys.disabled():
        print(f"[{scale or 'default'}: {len(jobs)} jobs planned in {elapsed:.1f} s]", end=" ")
    pages = [path.stem for path in (ROOT / "workflow/papers").glob("*.yaml")]
    assert {job.split()[0] for job in jobs} >= {"all", "claims", *(f"figure_{p}" for p in pages)}
    assert spent < 16, f"{spent:.1f} s of computing"


def test_drawn_rules_are_those_of_the_workflow(repository: Copy) -> None:
    found = repository.made("--rulegraph", "mermaid-js")
    names = {
        number: re.sub("^figure_.*", "figure", name)
        for number, name in re.findall(r"(id\d+)\[(\w+)\]", found)
    }
    edges = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", found)}
    drawn = (ROOT / "README.md").read_text().split("```mermaid")[1].split("```")[0]
    assert set(re.findall(r"(\w+) --> (\w+)", drawn)) == edges


@pytest.mark.parametrize(
    ("profile", "executor"), [("slurm", "slurm"), ("cluster", "cluster_generic")]
)
def test_cluster_profiles_plan_everything(repository: Copy, profile: str, executor: str) -> None:
    if importlib.util.find_spec(f"snakemake_executor_plugin_{executor}") is None:
        pytest.skip("the executors are not installed (dependency group `cluster`)")
    assert "all" in repository.plan("--workflow-profile", f"profiles/{profile}")


def test_retries_ask_for_more_and_plan_with_the_same() -> None:
    """A rule that asked for the same memory again would run out of it again; one that planned with
    more would need more."""
    for path in (ROOT / "workflow/rules").rglob("*.smk"):
        resources = re.findall(r"^ +(mem_mb|working_mb|runtime)=(.*),$", path.read_text(), re.M)
        for name, amount in resources:
            assert amount.startswith("growing(") == (name != "working_mb"), f"{path.name}: {name}"

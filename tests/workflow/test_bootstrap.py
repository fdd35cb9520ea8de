"""bootstrap.py: what it understands, what it makes, and what it never takes for good."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from copies import ROOT


class Ran(Exception):
    """The command that bootstrap would have become."""


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module in a repository of its own, with a `uv` that makes an empty environment."""
    specification = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    assert specification
    assert specification.loader
    module: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.ROOT = tmp_path
    module.ENVIRONMENT = tmp_path / ".venv"
    module.STAMP = module.ENVIRONMENT / module.STAMP.name
    module.OWN_UV = tmp_path / ".venv-uv"
    (tmp_path / "uv.lock").write_text("locked")
    (tmp_path / "pyproject.toml").write_text("project")
    module.syncs = []
    module.fails = False

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        module.syncs.append(command)
        assert options["env"]["UV_PYTHON_DOWNLOADS"] == "never"
        binaries = module.ENVIRONMENT / "bin"
        binaries.mkdir(parents=True, exist_ok=True)
        (binaries / "python").touch()
        return subprocess.CompletedProcess(command, 2 if module.fails else 0)

    def become(file: str, command: list[str]) -> None:
        raise Ran(*command)

    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv("PATH", "/somewhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "uv", lambda: "uv")
    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module.os, "execvp", become)
    return module


def test_first_line_makes_the_environment_and_the_second_does_not(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Ran, match=r"snakemake.*figure1"):
        bootstrap.main(["snakemake", "-n", "results/figure1.pdf"])
    assert len(bootstrap.syncs) == 1
    assert bootstrap.syncs[0][:5] == ["uv", "sync", "--frozen", "--python", sys.executable]
    assert bootstrap.os.environ["PATH"].split(":")[0] == str(bootstrap.ENVIRONMENT / "bin")
    assert "about 6 GB" in capsys.readouterr().err
    with pytest.raises(Ran, match="pytest"):
        bootstrap.main(["pytest"])
    assert len(bootstrap.syncs) == 1
    assert capsys.readouterr().err == ""


def test_bytecode_is_made_where_python_makes_none(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(Ran):
        bootstrap.main(["pytest"])
    assert bootstrap.syncs[0][5:] == ["--compile-bytecode"]


@pytest.mark.parametrize("file", ["uv.lock", "pyproject.toml"])
def test_changed_pins_make_it_again(bootstrap: ModuleType, file: str) -> None:
    for text in ("one", "two"):
        (bootstrap.ROOT / file).write_text(text)
        with pytest.raises(Ran):
            bootstrap.main(["pytest"])
    assert len(bootstrap.syncs) == 2


def test_failed_setup_is_not_taken_for_good(bootstrap: ModuleType) -> None:
    with pytest.raises(Ran):
        bootstrap.main(["pytest"])
    (bootstrap.ROOT / "uv.lock").write_text("newer")
    bootstrap.fails = True
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"(?s)could not be made.*downloads packages"):
            bootstrap.main(["pytest"])
    (bootstrap.ROOT / "uv.lock").write_text("locked")
    bootstrap.fails = False
    with pytest.raises(Ran):
        bootstrap.main(["pytest"])
    assert len(bootstrap.syncs) == 4, "the environment of before the failure is not trusted"


def test_moved_repository_is_set_up_anew(bootstrap: ModuleType) -> None:
    with pytest.raises(Ran):
        bootstrap.main(["pytest"])
    stamp = json.loads(bootstrap.STAMP.read_text())
    bootstrap.STAMP.write_text(json.dumps(stamp | {"path": "/elsewhere/.venv"}))
    stale = bootstrap.ENVIRONMENT / "bin" / "stale"
    stale.touch()
    with pytest.raises(Ran):
        bootstrap.main(["pytest"])
    assert not stale.exists()


def test_groups_are_added_and_kept(bootstrap: ModuleType) -> None:
    with pytest.raises(Ran):
        bootstrap.main(["pytest"])
    for line in (["--group", "cluster", "pytest"], ["pytest"], ["--group", "cluster", "pytest"]):
        with pytest.raises(Ran, match="pytest"):
            bootstrap.main(line)
    assert [sync[5:] for sync in bootstrap.syncs] == [[], ["--group", "cluster"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [([], "no command"), (["--gruop", "x", "pytest"], "unknown option --gruop"), (["-n"], "-n")],
)
def test_line_is_refused(bootstrap: ModuleType, line: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        bootstrap.main(line)
    assert bootstrap.syncs == []


def test_copy_that_is_not_whole_is_refused(bootstrap: ModuleType) -> None:
    (bootstrap.ROOT / "uv.lock").unlink()
    with pytest.raises(SystemExit, match=r"uv\.lock is missing"):
        bootstrap.main(["pytest"])


def test_help_is_printed_without_an_environment() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bootstrap.py", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "python3 bootstrap.py snakemake results/figure1.pdf" in done.stdout


def test_file_names_no_machine_and_no_host() -> None:
    text = (ROOT / "bootstrap.py").read_text()
    assert "://" not in text
    assert "/home/" not in text


def test_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file up to its version check is read by any Python 3.6; what follows is not run."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    code = compile((ROOT / "bootstrap.py").read_text(), "bootstrap.py", "exec")
    with pytest.raises(SystemExit, match=r"this is Python 3\.10; stagewise needs 3\.11"):
        exec(code, {"__name__": "__main__", "__file__": str(ROOT / "bootstrap.py")})

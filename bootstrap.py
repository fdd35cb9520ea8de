"""Runs a command of this repository, after making its environment where there is none.

    python3 bootstrap.py snakemake results/figure1.pdf
    python3 bootstrap.py pytest
    python3 bootstrap.py --group cluster snakemake --workflow-profile profiles/slurm

The first line makes .venv from uv.lock, once; later lines start at once. Needs Python 3.11 or
later and, that once, a package index. Uses the `uv` on the path, or else installs its own in
.venv-uv. Options come before the command: --group NAME also installs a dependency group of
pyproject.toml, --help prints this.
"""

import sys

# Before anything that an older Python cannot read, so that it can say what is wrong.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "bootstrap: this is Python %d.%d; stagewise needs 3.11 or later. Run the same line with "  # noqa: UP031
        "a newer one, e.g. python3.11 bootstrap.py ..." % sys.version_info[:2]
    )

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "stagewise.json"
OWN_UV = ROOT / ".venv-uv"
UV_VERSION = "0.13.8"
UV_OLDEST = (0, 8)
"""The first uv that reads this lock file."""


def say(message: str) -> None:
    """Prints a line of progress, apart from the command's own output."""
    print(f"bootstrap: {message}", file=sys.stderr, flush=True)


def arguments(line: list[str]) -> tuple[list[str], list[str]]:
    """Dependency groups asked for, and the command."""
    groups = []
    while line and line[0].startswith("-"):
        if line[0] in ("-h", "--help"):
            print(__doc__.strip())
            sys.exit(0)
        if line[0] != "--group" or len(line) < 2:
            sys.exit(
                f"bootstrap: unknown option {line[0]}; see python3 bootstrap.py --help. "
                f"Options of a command stand after the command."
            )
        groups.append(line[1])
        line = line[2:]
    if not line:
        sys.exit("bootstrap: no command; e.g. python3 bootstrap.py snakemake results/figure1.pdf")
    return groups, line


def digest() -> str:
    """Of everything that the environment is made from."""
    files = [ROOT / name for name in ("uv.lock", "pyproject.toml")]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        sys.exit(f"bootstrap: {', '.join(missing)} is missing from {ROOT}: the copy is not whole")
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def stamped() -> dict[str, object]:
    """What the last finished setup wrote, or nothing."""
    try:
        found = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def uv() -> str:
    """A uv that reads the lock file: the one on the path, ours of last time, or a fresh one."""
    own = OWN_UV / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(own)):
        if candidate and _version(candidate) >= UV_OLDEST:
            return candidate
    say(f"no uv {UV_OLDEST[0]}.{UV_OLDEST[1]} or later on the path: installing uv in .venv-uv")
    shutil.rmtree(OWN_UV, ignore_errors=True)
    try:
        _make_own_uv()
    except BaseException:
        shutil.rmtree(OWN_UV, ignore_errors=True)
        raise
    return str(own)


def _version(candidate: str) -> tuple[int, ...]:
    try:
        printed = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return ()
    found = re.match(r"uv (\d+)\.(\d+)", printed)
    return tuple(map(int, found.groups())) if found else ()


def _make_own_uv() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(OWN_UV)], capture_output=True, text=True
    )
    if made.returncode:
        sys.exit(
            f"bootstrap: this Python cannot make a virtual environment:\n"
            f"{(made.stdout + made.stderr).strip()}\n"
            f"Install its venv module (Debian and Ubuntu: the package python3-venv), or install "
            f"uv and put it on the path."
        )
    pip = [str(OWN_UV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    if subprocess.run([*pip, f"uv=={UV_VERSION}"]).returncode:
        sys.exit(f"bootstrap: pip could not install uv {UV_VERSION}. {INDEX_NEEDED}")


INDEX_NEEDED = (
    "The first run downloads packages: check the connection (behind a proxy set HTTPS_PROXY) and "
    "run the same line again."
)


def set_up(groups: list[str], wanted: str) -> None:
    """Makes .venv, or brings it up to date. The stamp, written last, is what later runs trust."""
    before = stamped()
    STAMP.unlink(missing_ok=True)
    if before.get("path", str(ENVIRONMENT)) != str(ENVIRONMENT):
        say("the repository has moved: making the environment anew")
        shutil.rmtree(ENVIRONMENT)
    say(
        "setting up the environment in .venv, once: about 6 GB on Linux, because PyTorch brings "
        "CUDA, and minutes to download"
    )
    command = [uv(), "sync", "--frozen", "--python", sys.executable]
    for group in groups:
        command += ["--group", group]
    if sys.dont_write_bytecode:
        # Else every job would compile all that it imports, which is half of a short job.
        command.append("--compile-bytecode")
    quiet = {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT)}
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | quiet
    if subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode:
        sys.exit(
            f"bootstrap: the environment could not be made; the lines above say why. Nothing "
            f"half-made is used: the next run goes on from here. {INDEX_NEEDED}"
        )
    stamp = {"digest": wanted, "groups": groups, "path": str(ENVIRONMENT)}
    STAMP.write_text(json.dumps(stamp))
    say("the environment is ready")


def main(line: list[str]) -> None:
    """Runs the command in the environment; does not return."""
    if os.name == "nt":
        sys.exit("bootstrap: Snakemake does not run on Windows itself; use WSL")
    groups, command = arguments(line)
    wanted, before = digest(), stamped()
    have = before.get("groups")
    have = have if isinstance(have, list) else []
    current = (
        before.get("digest") == wanted
        and before.get("path") == str(ENVIRONMENT)
        and set(groups) <= set(have)
        and (ENVIRONMENT / "bin" / "python").exists()
    )
    if not current:
        set_up(sorted({*groups, *have}), wanted)
    binaries = str(ENVIRONMENT / "bin")
    os.environ["PATH"] = os.pathsep.join([binaries, os.environ.get("PATH", os.defpath)])
    os.environ["VIRTUAL_ENV"] = str(ENVIRONMENT)
    os.environ.pop("PYTHONHOME", None)
    os.chdir(ROOT)
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"bootstrap: cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("bootstrap: interrupted; the next run goes on from here")
    except OSError as error:
        sys.exit(f"bootstrap: {error.filename or ROOT}: {error.strerror}")

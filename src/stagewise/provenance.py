"""What an artifact was made from: settings, seeds, code revision, versions, host, duration."""

import json
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("stagewise", "torch", "numpy", "xarray", "snakemake")


def code_revision() -> str:
    """The git commit of the working directory, with '+changes' if it is not clean."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if changes else "")


def _version(package: str) -> str:
    """The installed version; the workflow also runs from its source folder alone."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def record(
    settings: Mapping[str, Any], inputs: Mapping[str, str], started: float
) -> dict[str, Any]:
    """A JSON-ready record; `inputs` maps file names to SHA-256, `started` is time.time()."""
    return {
        "settings": dict(settings),
        "inputs": {str(Path(name)): digest for name, digest in inputs.items()},
        "code": code_revision(),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "host": f"{platform.system()} {platform.machine()}",
        "seconds": round(time.time() - started, 2),
    }


def as_text(provenance: Mapping[str, Any]) -> str:
    """The record as one line of JSON, keys sorted."""
    return json.dumps(provenance, sort_keys=True)

"""What an artifact was made from: settings, seeds, code, inputs, versions, host, duration.

Every job leaves a record for each file it made, in the results folder below FOLDER, at the file's
own place. Names in a record are from the results folder, so records stay true where it is moved or
copied as a whole. Files that can hold text (safetensors, netCDF, JSON) also carry the main part of
their record themselves; tables and figures do not, so that equal results are equal bytes.
"""

import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stagewise.artifacts import ArtifactError, file_digest, written_whole

FORMAT = "stagewise-provenance-1"
FOLDER = ".provenance"
MARKER = ".layout"
"""A file that every results folder has."""

PACKAGES = (
    "arviz-stats",
    "bokeh",
    "datasets",
    "h5netcdf",
    "matplotlib",
    "numpy",
    "pandas",
    "safetensors",
    "scikit-learn",
    "scipy",
    "snakemake",
    "stagewise",
    "tokenizers",
    "torch",
    "transformers",
    "umap-learn",
    "xarray",
)
"""Packages that numbers or pictures can depend on."""


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


def versions() -> dict[str, str]:
    """Of Python and of PACKAGES, as installed here."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def host() -> str:
    """The kind of machine: system, architecture, processor, and the GPU that torch is using."""
    kind = f"{platform.system()} {platform.machine()}"
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        kind += f", {found[1]}"
    torch = sys.modules.get("torch")  # steps without it need no GPU
    if torch is not None and torch.cuda.is_initialized():
        kind += f", {torch.cuda.get_device_name()}"
    return kind


def record(
    settings: Mapping[str, Any],
    wildcards: Mapping[str, str],
    inputs: Mapping[str, str],
    started: float,
) -> dict[str, Any]:
    """A JSON-ready record; `inputs` maps file names to SHA-256, `started` is time.time()."""
    return {
        "settings": dict(settings),
        "wildcards": dict(wildcards),
        "inputs": {str(Path(name)): digest for name, digest in inputs.items()},
        "code": code_revision(),
        "versions": versions(),
        "host": host(),
        "seconds": round(time.time() - started, 2),
    }


def as_text(provenance: Mapping[str, Any]) -> str:
    """The record as one line of JSON, keys sorted."""
    return json.dumps(provenance, sort_keys=True)


def results_of(path: Path) -> Path | None:
    """The results folder that a file is in; None if it is in none."""
    return next((folder for folder in path.parents if (folder / MARKER).is_file()), None)


def place_of(path: Path) -> Path | None:
    """Where the record of a file is, or would be; None outside of results folders."""
    results = results_of(path)
    if results is None:
        return None
    return results / FOLDER / f"{path.relative_to(results)}.json"


def leave(provenance: Mapping[str, Any], outputs: Iterable[Path]) -> None:
    """Writes the record of each output that is in a results folder, with the file's own digest.

    `inputs` are then those in the same folder, called by their place in it, `outside` the others.
    """
    outputs = list(outputs)
    for path in outputs:
        results, place = results_of(path), place_of(path)
        if results is None or place is None:
            continue
        inside, outside = {}, {}
        for name, digest in provenance["inputs"].items():
            if Path(name).is_relative_to(results):
                inside[str(Path(name).relative_to(results))] = digest
            else:
                outside[name] = digest
        document = {
            **provenance,
            "format": FORMAT,
            "file": str(path.relative_to(results)),
            "made_with": sorted(str(p.relative_to(results)) for p in outputs if p != path),
            "sha256": file_digest(path),
            "inputs": inside,
            "outside": outside,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with written_whole(place) as temporary:
            temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """The record of a file; None if there is none; ArtifactError if it cannot be read."""
    place = place_of(path)
    if place is None or not place.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(place.read_text())
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']!r}, expected {FORMAT!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{place}, the record of {path}, cannot be read ({error})") from error
    return found

"""Prints environment.yml, for conda users, from the same pins as everyone else's.

    python workflow/environment.py > environment.yml
    python workflow/environment.py attribution > workflow/envs/attribution.yml    # with that group

Direct dependencies come from pyproject.toml, their exact versions from uv.lock.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"


def pins(*groups: str) -> dict[str, str]:
    """Direct dependency -> version locked for PYTHON (the lowest, where the lock forks), those of
    the groups included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *(d for group in ("dev", *groups) for d in project["dependency-groups"][group]),
    ]
    names = [re.match(r"[A-Za-z0-9_.-]+(\[[a-z]+\])?", entry).group() for entry in wanted]
    found: dict[str, list[str]] = {}
    for package in lock["package"]:
        found.setdefault(package["name"], []).append(package.get("version", ""))
    return {
        name: min(
            found[name.split("[")[0].lower()], key=lambda v: [int(p) for p in re.findall(r"\d+", v)]
        )
        for name in sorted(names)
    }


def text(*groups: str) -> str:
    """The whole file, with optional dependency groups."""
    lines = [
        "# Generated from pyproject.toml and uv.lock by workflow/environment.py; do not edit.",
        f"name: {'-'.join(['stagewise', *groups])}",
        "channels: [conda-forge]",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {name}=={version}" for name, version in pins(*groups).items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(text(*sys.argv[1:]), end="")

"""Prints environment.yml, for conda users, from the same pins as everyone else's.

    python workflow/environment.py > environment.yml

Direct dependencies come from pyproject.toml, their exact versions from uv.lock.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"


def pins() -> dict[str, str]:
    """Direct dependency -> version locked for PYTHON (the lowest, where the lock forks)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *(d for d in project["dependency-groups"]["dev"]),
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


def text() -> str:
    """The whole file."""
    lines = [
        "# Generated from pyproject.toml and uv.lock by workflow/environment.py; do not edit.",
        "name: stagewise",
        "channels: [conda-forge]",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f"      - {name}=={version}" for name, version in pins().items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(text(), end="")

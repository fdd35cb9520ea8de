"""Command lines as a user's, and what they end with."""

import os
import sys
from dataclasses import dataclass

CORES = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)


@dataclass(frozen=True)
class Ended:
    """A finished command."""

    status: int
    text: str
    """Standard output and error."""


def command(*arguments: str) -> list[str]:
    """Snakemake's command line."""
    return [sys.executable, "-m", "snakemake", "--cores", str(CORES), *arguments]


def environment() -> dict[str, str]:
    """The environment of a user: without what the test run itself has set."""
    unwanted = ("PYTHONPATH", "PYTHONWARNINGS", "SNAKEMAKE_PROFILE", "PYTEST_CURRENT_TEST")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"OMP_NUM_THREADS": "1"}

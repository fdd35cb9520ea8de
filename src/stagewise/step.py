"""The frame of a workflow step: its log, and errors of one message.

Its threads are those Snakemake gives it: torch finds them in OMP_NUM_THREADS.
"""

import contextlib
import ctypes
import gc
import logging
import re
import sys
import time
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from stagewise.artifacts import ArtifactError, file_digest
from stagewise.provenance import leave, record
from stagewise.settings import Section, SettingsError

log = logging.getLogger("stagewise")

MEMORY_MB = 4000
"""What a job plans to use where its rule does not say."""

# Imports make hundreds of thousands of objects and no garbage; looking for it at Python's own
# threshold of 700, and again at exit (`gc.freeze` below spares that), takes a quarter of a short
# job. Hence this module is the first that scripts import.
gc.set_threshold(100_000)

KEPT = {-3: 2**25, -1: 2**30}
"""Of malloc.h: M_MMAP_THRESHOLD at its most, and M_TRIM_THRESHOLD, in bytes."""

# By default glibc may hand freed memory back to the system, and operations then get it again page
# by page: up to a tenth of the time of training a small transformer.
_libc = ctypes.CDLL(None)
if hasattr(_libc, "mallopt"):
    for _option, _value in KEPT.items():
        _libc.mallopt(_option, _value)

STARTED = time.time()
"""When the job did: a script imports this module before the others, which can take seconds."""


class Step:
    """What a script may know of its job: inputs, params, wildcards, settings, bytes of memory."""

    def __init__(self, snakemake: Any) -> None:
        self.input, self.output = snakemake.input, snakemake.output
        self.wildcards = snakemake.wildcards
        self.memory = int(snakemake.resources.get("working_mb", MEMORY_MB) * 1e6)
        settings = snakemake.params.settings
        self.settings: dict[str, Any] = (
            settings.values if isinstance(settings, Section) else settings
        )
        self.code = [value for value in snakemake.params if isinstance(value, str) and value]
        self._rule, self._threads = snakemake.rule, snakemake.threads
        self._named = dict(snakemake.params.items())

    @cached_property
    def _inputs(self) -> dict[str, str]:
        return {str(path): file_digest(path) for path in self.input}

    def provenance(self) -> dict[str, Any]:
        """Settings, wildcards (seed and names), inputs, code revision, versions, host, seconds."""
        return record(self.settings, dict(self.wildcards.items()), self._inputs, STARTED)

    def leave_records(self) -> None:
        """Writes the record of every output: its provenance, and what the rule gave the job."""
        more = {name: value for name, value in self._named.items() if name != "settings"}
        modules = [re.fullmatch(r"(\S+\.py) ([0-9a-f]{12})", str(line)) for line in self.code]
        ours = {
            "rule": self._rule,
            "settings": self.settings | more,
            "modules": {found[1]: found[2] for found in modules if found},
            "threads": self._threads,
        }
        leave(self.provenance() | ours, [Path(path) for path in self.output])


@contextlib.contextmanager
def step(snakemake: Any) -> Iterator[Step]:
    """Runs the body of a script: plain lines go to the job's log file, and an expected error
    ends the job with its message alone, exit status 1."""
    handler = logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(handler)
    warnings.simplefilter("default")
    try:
        job = Step(snakemake)
        yield job
        job.leave_records()
    except (ArtifactError, SettingsError, ValueError, RuntimeError) as error:
        log.error("%s: %s", type(error).__name__, error)
        if isinstance(error, ArtifactError | SettingsError) or type(error).__module__.startswith(
            "stagewise"
        ):
            sys.exit(f"stagewise: {error}")
        log.exception("unexpected error")
        raise
    except Exception:
        log.exception("unexpected error")
        raise
    finally:
        gc.freeze()
    log.info("done")

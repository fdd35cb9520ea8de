"""The frame of a workflow step: its log, and errors of one message.

Its threads are those Snakemake gives it: torch finds them in OMP_NUM_THREADS.
"""

import contextlib
import gc
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

from stagewise.artifacts import ArtifactError, file_digest
from stagewise.provenance import record
from stagewise.settings import Section, SettingsError

log = logging.getLogger("stagewise")

MEMORY_MB = 4000
"""What a job plans to use where its rule does not say."""

# Imports make hundreds of thousands of objects and no garbage; looking for it at Python's own
# threshold of 700, and again at exit (`gc.freeze` below spares that), takes a quarter of a short
# job. Hence this module is the first that scripts import.
gc.set_threshold(100_000)


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
        self._started = time.time()

    def provenance(self) -> dict[str, Any]:
        """Settings, inputs, code revision, versions, host and seconds, for the artifact."""
        inputs = {str(path): file_digest(path) for path in self.input}
        return record(self.settings | dict(self.wildcards.items()), inputs, self._started)


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
        yield Step(snakemake)
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

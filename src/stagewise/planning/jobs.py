"""The jobs that a run would take, as the rules declare them: Snakemake's own dry run, read."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    ResourceSettings,
)
from snakemake_interface_logger_plugins.common import LogEvent

from stagewise.settings import SettingsError

UNBOUNDED = 1 << 30
"""Cores: as many as jobs ask for, so that no request is cut to what this machine has."""


@dataclass(frozen=True)
class Job:
    """One job, with what its rule asks for and expects."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    threads: int = 1
    gpus: int = 0
    memory_mb: int = 0
    limit_min: float = 0.0
    """Minutes after which a scheduler ends it: the resource `runtime`."""
    expected_s: float | None = None
    """Seconds that it should take; None where nothing is known."""
    output_mb: float | None = None
    """Megabytes that it should write; None where nothing is known."""


class _Events(logging.Handler):
    """Keeps what Snakemake says of each job."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.jobs: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            self.jobs.append(vars(record))


def planned(targets: Iterable[str], overlay: Mapping[str, Any], snakefile: Path) -> list[Job]:
    """Every job that leads to `targets` from nothing, finished or not.

    overlay  what is laid over config.yaml. Nothing is run, locked or written, so that this can be
    asked from within a job. SettingsError if the workflow cannot be planned.
    """
    logger = logging.getLogger("snakemake.logging")
    events = _Events()
    output = OutputSettings(dryrun=True, enable_file_logging=False)
    with SnakemakeApi(output) as api:
        for shown in logger.handlers:
            shown.setLevel(logging.WARNING)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=UNBOUNDED),
            config_settings=ConfigSettings(config=dict(overlay)),
            snakefile=snakefile,
        )
        dag = workflow.dag(DAGSettings(targets=frozenset(targets), forceall=True))
        logger.addHandler(events)
        try:
            dag.execute_workflow(
                executor="dryrun",
                execution_settings=ExecutionSettings(lock=False, ignore_incomplete=True),
            )
        except Exception as error:
            raise SettingsError(f"the workflow cannot be planned: {error}") from error
        finally:
            logger.removeHandler(events)
    return [_job(said) for said in events.jobs]


def _job(said: Mapping[str, Any]) -> Job:
    asked = said["resources"]
    return Job(
        rule=said["rule_name"],
        inputs=frozenset(map(str, said["input"])),
        outputs=frozenset(map(str, said["output"])),
        threads=said["threads"],
        gpus=asked.get("gpu", 0),
        memory_mb=asked.get("mem_mb", 0),
        limit_min=asked.get("runtime", 0),
        expected_s=asked.get("expected_s"),
        output_mb=asked.get("output_mb"),
    )

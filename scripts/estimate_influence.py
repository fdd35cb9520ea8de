"""Influence of recorded samples on each other, from a draws file."""

from stagewise.step import step
from stagewise.artifacts import ArtifactError
from stagewise.engine import draws
from stagewise.estimators.influence_table import influences

with step(snakemake) as job:  # noqa: F821
    try:
        found = influences(draws.load(job.input.draws))
    except ValueError as error:
        raise ArtifactError(f"{job.input.draws}: {error}") from error
    draws.save(job.output.influence, found, job.provenance())

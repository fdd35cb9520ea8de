"""Susceptibilities of all components to all recorded tokens, from a draws file."""

from stagewise.step import step
from stagewise.artifacts import ArtifactError
from stagewise.engine import draws
from stagewise.estimators.susceptibilities import susceptibilities
from stagewise.settings import SettingsError

with step(snakemake) as job:  # noqa: F821
    try:
        found = susceptibilities(draws.load(job.input.draws))
    except SettingsError as error:
        raise ArtifactError(f"{job.input.draws}: {error}") from error
    draws.save(job.output.susceptibilities, found, job.provenance())

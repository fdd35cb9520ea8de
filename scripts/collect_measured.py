"""All statistics of a paper, from its parts."""

from stagewise.step import step
from stagewise.findings import measured

with step(snakemake) as job:  # noqa: F821
    found = {}
    for path in job.input.parts:
        found |= measured.load(path)
    measured.save(job.output.measured, found, job.provenance())

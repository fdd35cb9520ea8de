"""Local learning coefficients of a model of the user's own, of every sampling and seed."""

from pathlib import Path

from stagewise.step import step
from stagewise import tables
from stagewise.estimators.llc_summary import summary

with step(snakemake) as job:  # noqa: F821
    found = {}
    for path in map(Path, job.input.tables):
        run, sampling = path.parents[1].name, path.parent.name
        found[sampling, int(run.removeprefix("seed"))] = tables.load(path)
    tables.save(job.output.table, summary(found))

"""Local learning coefficients of a draws file, as a table."""

from stagewise.step import step
from stagewise import tables
from stagewise.engine import draws
from stagewise.estimators.llc import llc_table

with step(snakemake) as job:  # noqa: F821
    found = draws.load(job.input.draws)
    tables.save(job.output.table, llc_table(found, level=job.settings["level"]))

"""Local learning coefficients of a draws file, as a table."""

from stagewise.artifacts import written_whole
from stagewise.engine import draws
from stagewise.estimators.llc import llc_table
from stagewise.step import step

with step(snakemake) as job:  # noqa: F821
    found = draws.load(job.input.draws)
    table = llc_table(found, level=job.settings["level"])
    with written_whole(job.output.table) as temporary:
        table.to_csv(temporary, index=False)

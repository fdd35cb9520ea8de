"""Every paper's claims in one table, in the order of the figures, and as a page to sort."""

import pandas as pd

from stagewise.step import step
from stagewise import tables
from stagewise.artifacts import written_whole
from stagewise.figures.claims_page import draw

with step(snakemake) as job:  # noqa: F821
    found = [tables.load(path) for path in job.input.tables]
    table = pd.concat(found, ignore_index=True).sort_values("figure", kind="stable")
    tables.save(job.output.table, table)
    with written_whole(job.output.page) as temporary:
        temporary.write_text(draw(table, job.settings["scale"]), encoding="utf-8")

"""Every paper's claims in one table, in the order of the figures."""

import pandas as pd

from stagewise.step import step
from stagewise import tables

with step(snakemake) as job:  # noqa: F821
    found = [tables.load(path) for path in job.input.tables]
    table = pd.concat(found, ignore_index=True).sort_values("figure", kind="stable")
    tables.save(job.output.table, table)

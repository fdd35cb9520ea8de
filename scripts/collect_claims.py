"""Every paper's claims in one table, in the order of the figures."""

import pandas as pd

from stagewise.artifacts import written_whole
from stagewise.step import step

with step(snakemake) as job:  # noqa: F821
    tables = [pd.read_csv(path) for path in job.input.tables]
    table = pd.concat(tables, ignore_index=True).sort_values("figure", kind="stable")
    with written_whole(job.output.table) as temporary:
        table.to_csv(temporary, index=False)

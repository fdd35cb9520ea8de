"""How reliable all chains are that figures rest on: one row for each draws file."""

import json
from pathlib import Path

import pandas as pd

from stagewise.step import step
from stagewise import tables
from stagewise.artifacts import written_whole
from stagewise.engine import draws
from stagewise.estimators.reliability import reliability
from stagewise.figures.reliability_page import draw

with step(snakemake) as job:  # noqa: F821
    rows = []
    for path, figures in zip(job.input.draws, job.settings["figures"], strict=True):
        with draws.load(path) as found:
            settings = json.loads(found.attrs["provenance"])["settings"]
            rows.append(
                {
                    "figures": ", ".join(map(str, figures)),
                    "run": "/".join(Path(path).parts[-5:-2]),
                    "sampling": Path(path).parent.name,
                    "kernel": settings["sampling"]["kernel"],
                    **reliability(found),
                }
            )
    table = pd.DataFrame(rows)
    tables.save(job.output.table, table)
    with written_whole(job.output.page) as temporary:
        temporary.write_text(draw(table), encoding="utf-8")

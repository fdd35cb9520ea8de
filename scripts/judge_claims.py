"""Holds one paper's claims against what was measured."""

from pathlib import Path

import yaml

from stagewise.step import step
from stagewise import tables
from stagewise.findings import measured
from stagewise.findings.judge import judge

with step(snakemake) as job:  # noqa: F821
    page = yaml.safe_load(Path(job.input.page).read_text())
    table = judge(page, measured.load(job.input.measured), scale=job.settings["scale"])
    tables.save(job.output.table, table)

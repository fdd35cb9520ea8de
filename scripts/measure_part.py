"""Measures one part of a paper: a tidy table, and the statistics of its claims."""

from importlib import import_module
from pathlib import Path

from stagewise import tables
from stagewise.engine import draws
from stagewise.findings import measured
from stagewise.step import step


def loaded(path):
    """A table or draws, by the file's ending, with the run's seed as column or attribute."""
    run = next(piece for piece in Path(path).parts if piece.startswith("seed"))
    seed = int(run.removeprefix("seed"))
    if path.endswith(".csv"):
        return tables.load(path).assign(seed=seed)
    return draws.load(path).assign_attrs(seed=seed)


with step(snakemake) as job:  # noqa: F821
    module = import_module(f"stagewise.findings.{job.wildcards.slug}_{job.wildcards.part}")
    found = {}
    for name in job.input.keys():  # noqa: SIM118
        paths = job.input[name]
        found[name] = [loaded(path) for path in ([paths] if isinstance(paths, str) else paths)]
    table, statistics = module.measure(found, job.settings)
    tables.save(job.output.table, table)
    measured.save(job.output.statistics, statistics, job.provenance())

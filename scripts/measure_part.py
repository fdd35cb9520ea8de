"""Measures one part of a paper: a tidy table, and the statistics of its claims."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from stagewise.step import step
from stagewise import tables
from stagewise.engine import draws
from stagewise.estimators.llc import llc_table
from stagewise.findings import measured


def loaded(path, *, level):
    """A table, draws, with a `level` their LLC table, or a trajectory; with the run's seed.

    A table that is of no run stands under benchmarks/, the tokens of a corpus and the texts of its
    vocabulary under corpus/.
    """
    parts = Path(path).parts
    if parts[0] == "benchmarks":
        return tables.load(path)
    if "corpus" in parts:
        streams = import_module("stagewise.token_streams")
        return (streams.load if path.endswith(".safetensors") else streams.vocabulary)(path)
    place = next(place for place, piece in enumerate(parts) if piece.startswith("seed"))
    seed = int(parts[place].removeprefix("seed"))
    if path.endswith(".safetensors"):
        # By name: parts without trajectories do without torch, and do not depend on it.
        points = import_module("stagewise.training.trajectory").load(path, testbed=parts[place - 2])
        return replace(points, index=points.index.assign(seed=seed))
    if path.endswith(".csv"):
        return tables.load(path).assign(seed=seed)
    found = draws.load(path)
    if level:
        return llc_table(found, level=level).assign(seed=seed)
    return found.assign_attrs(seed=seed)


with step(snakemake) as job:  # noqa: F821
    module = import_module(f"stagewise.findings.{job.wildcards.slug}_{job.wildcards.part}")
    found = {}
    for name in job.input.keys():  # noqa: SIM118
        paths = job.input[name]
        estimated = name in getattr(module, "ESTIMATES", ())
        level = snakemake.params.level if estimated else None  # noqa: F821
        listed = [paths] if isinstance(paths, str) else paths
        found[name] = [loaded(path, level=level) for path in listed]
    table, statistics = module.measure(found, job.settings)
    for listed in found.values():
        for item in listed:
            if hasattr(item, "close"):  # draws, whose traces are read from open files
                item.close()
    tables.save(job.output.table, table)
    measured.save(job.output.statistics, statistics, job.provenance())

"""Gradient norm, Hessian trace and largest Hessian eigenvalue of every checkpoint, as a table."""

from importlib import import_module

from stagewise.step import step
from stagewise import tables
from stagewise.engine.landscape import curvature_table
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    testbed = import_module(f"stagewise.testbeds.{name}").build(job.settings["model"], seed)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    table = curvature_table(
        testbed,
        points,
        seed=seed,
        probes=job.settings["probes"],
        iterations=job.settings["iterations"],
    )
    tables.save(job.output.table, table)

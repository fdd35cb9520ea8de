"""Gradient norm, Hessian trace and largest Hessian eigenvalue of every checkpoint, as a table."""

from stagewise.step import step
from stagewise import running, tables
from stagewise.engine.landscape import curvature_table
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    testbed = running.testbed(job)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    table = curvature_table(
        testbed,
        points,
        seed=int(job.wildcards.seed),
        probes=job.settings["probes"],
        iterations=job.settings["iterations"],
    )
    tables.save(job.output.table, table)

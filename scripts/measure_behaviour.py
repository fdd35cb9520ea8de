"""What every checkpoint of a run can do, as a table."""

from stagewise.step import step
from stagewise import running, tables
from stagewise.engine.behaviour import behaviour_table
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    testbed = running.testbed(job)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    tables.save(job.output.table, behaviour_table(testbed, points))

"""What every checkpoint of a run can do, or loses without a component, as a table."""

from pathlib import Path

from stagewise.step import step
from stagewise import running, tables
from stagewise.engine.behaviour import score_table
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    testbed = running.testbed(job)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    table = job.output.table
    tables.save(table, score_table(testbed, points, Path(table).stem))

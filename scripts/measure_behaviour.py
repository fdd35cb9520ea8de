"""What every checkpoint of a run can do, as a table."""

from importlib import import_module

from stagewise.step import step
from stagewise import tables
from stagewise.engine.behaviour import behaviour_table
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    testbed = import_module(f"stagewise.testbeds.{name}").build(job.settings["model"], seed)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    tables.save(job.output.table, behaviour_table(testbed, points))

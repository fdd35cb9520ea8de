"""The outputs of every checkpoint of a run on a fixed batch: its path through function space."""

from stagewise.step import step
from stagewise import running
from stagewise.engine import draws
from stagewise.engine.behaviour import outputs
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    testbed = running.testbed(job)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    draws.save(job.output.outputs, outputs(testbed, points), job.provenance())

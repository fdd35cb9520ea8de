"""The outputs of every checkpoint of a run on a fixed batch: its path through function space."""

from importlib import import_module

from stagewise.step import step
from stagewise.engine import draws
from stagewise.engine.behaviour import outputs
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    testbed = import_module(f"stagewise.testbeds.{name}").build(job.settings["model"], seed)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    draws.save(job.output.outputs, outputs(testbed, points), job.provenance())

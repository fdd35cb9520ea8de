"""Writes the exactly known points of a testbed as a trajectory."""

from importlib import import_module

import torch

from stagewise.step import step
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    torch.set_num_threads(job.threads)
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    testbed = import_module(f"stagewise.testbeds.{name}").build(job.settings.get("model", {}), seed)
    trajectory.save(
        job.output.checkpoints, testbed.points(), testbed=name, provenance=job.provenance()
    )

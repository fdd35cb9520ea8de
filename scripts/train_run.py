"""Trains all models of one run and writes their checkpoints."""

from importlib import import_module

from stagewise.step import step
from stagewise.progress import Progress
from stagewise.resume import SideFile, fingerprint
from stagewise.settings import build
from stagewise.training import trajectory
from stagewise.training.loop import train
from stagewise.training.training import Training

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    testbed = import_module(f"stagewise.testbeds.{name}").build(job.settings.get("model", {}), seed)
    training = build(Training, job.settings["training"], "training")
    output = job.output.checkpoints
    side_file = SideFile(f"{output}.unfinished", fingerprint(job.settings, job.code, seed))
    points = train(
        testbed,
        training,
        seed=seed,
        report=Progress(training.steps, f"train {name} {job.wildcards.variant} {seed}"),
        side_file=side_file,
    )
    trajectory.save(output, points, testbed=name, provenance=job.provenance())
    side_file.remove()

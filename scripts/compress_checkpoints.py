"""Compresses every checkpoint of a run by ever more: rises of the loss, and critical amounts."""

from stagewise.step import step
from stagewise import running, tables
from stagewise.engine.compress import compress
from stagewise.engine.compressions import Compressions
from stagewise.progress import Progress
from stagewise.settings import build
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    name, run = job.wildcards.compression, f"{job.wildcards.testbed} {job.wildcards.variant}"
    testbed = running.testbed(job)
    points = trajectory.points_of(testbed, job.input.get("checkpoints"))
    settings = build(Compressions, job.settings["compression"], f"compression.{name}")
    found = compress(
        testbed,
        points,
        settings,
        seed=int(job.wildcards.seed),
        report=Progress(
            len(points.places(settings.checkpoints)),
            f"compress {run} {job.wildcards.seed} {name}",
        ),
        memory=job.memory // 4,  # results of operations are counted; what they need is beside it
    )
    tables.save(job.output.rises, found.rises)
    tables.save(job.output.critical, found.critical.assign(variant=job.wildcards.variant))
    tables.save(job.output.coded, found.coded.assign(variant=job.wildcards.variant))

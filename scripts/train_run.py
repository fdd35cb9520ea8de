"""Trains all models of one run and writes their checkpoints."""

from stagewise.step import step
from stagewise import running
from stagewise.artifacts import file_digest
from stagewise.progress import Progress
from stagewise.resume import SideFile, fingerprint
from stagewise.settings import build
from stagewise.training import trajectory
from stagewise.training.loop import tokens_per_step, train
from stagewise.training.training import Training

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    testbed = trajectory.started(running.testbed(job), job.input.get("start"))
    training = build(Training, job.settings["training"], "training")
    output = job.output.checkpoints
    work = fingerprint(job.settings, job.code, seed, [file_digest(path) for path in job.input])
    side_file = SideFile(f"{output}.unfinished", work)
    points = train(
        testbed,
        training,
        seed=seed,
        report=Progress(
            training.steps,
            f"train {name} {job.wildcards.variant} {seed}",
            tokens_per_step(testbed, training),
        ),
        side_file=side_file,
    )
    trajectory.save(output, points, testbed=name, provenance=job.provenance())
    side_file.remove()

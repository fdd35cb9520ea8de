"""Trains models on random subsets of a run's data and records their losses."""

from stagewise.step import step
from stagewise import running
from stagewise.artifacts import file_digest
from stagewise.engine import draws
from stagewise.progress import Progress
from stagewise.resume import SideFile, fingerprint
from stagewise.settings import build
from stagewise.training import trajectory
from stagewise.training.retraining import Retraining
from stagewise.training.subsets import retrained
from stagewise.training.training import Training

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    training = build(Training, job.settings["training"], "training")
    retraining = build(Retraining, job.settings["retraining"], "retraining")
    output = job.output.losses
    work = fingerprint(job.settings, job.code, seed, [file_digest(path) for path in job.input])
    side_file = SideFile(f"{output}.unfinished", work)
    found = retrained(
        trajectory.started(running.testbed(job), job.input.get("start")),
        training,
        retraining,
        seed=seed,
        report=Progress(training.steps, f"retrain {name} {job.wildcards.variant} {seed}"),
        side_file=side_file,
    )
    draws.save(output, found, job.provenance())
    side_file.remove()

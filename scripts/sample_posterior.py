"""Samples the local posterior of every checkpoint of a run."""

from importlib import import_module

from stagewise.step import step
from stagewise import running
from stagewise.artifacts import file_digest
from stagewise.engine import draws
from stagewise.engine.sample import sample
from stagewise.engine.sampling import Sampling
from stagewise.engine.shards import chains_of, gather
from stagewise.progress import Progress
from stagewise.resume import SideFile, fingerprint
from stagewise.settings import build
from stagewise.training import trajectory

with step(snakemake) as job:  # noqa: F821
    name, seed = job.wildcards.testbed, int(job.wildcards.seed)
    sampling = build(Sampling, job.settings["sampling"], f"sampling.{job.wildcards.sampling}")
    output = job.output.draws
    work = fingerprint(job.settings, job.code, seed, [file_digest(path) for path in job.input])
    side_file = SideFile(f"{output}.unfinished", work)
    if job.input.get("shards"):
        parts = [draws.load(path) for path in job.input.shards]
        found = gather(parts, sampling.chains, side_file.scratch)
    else:
        testbed = running.testbed(job)
        shard, shards = (int(job.wildcards.get(key, 1)) for key in ("shard", "shards"))
        found = sample(
            testbed,
            trajectory.points_of(testbed, job.input.get("checkpoints")),
            import_module(f"stagewise.samplers.{sampling.kernel}"),
            sampling,
            seed=seed,
            report=Progress(sampling.steps, f"sample {' '.join(job.wildcards)}"),
            side_file=side_file,
            memory=job.memory
            // 4,  # results of operations are counted; what they need is beside it
            chains=chains_of(shard - 1, shards, sampling.chains),
        )
    draws.save(output, found, job.provenance())
    side_file.remove()

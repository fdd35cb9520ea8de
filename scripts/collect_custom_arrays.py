"""Estimates of a model of the user's own as one dataset, of every sampling and seed."""

from pathlib import Path

import xarray as xr

from stagewise.step import step
from stagewise.engine import draws

with step(snakemake) as job:  # noqa: F821
    found = {}
    for path in map(Path, job.input.found):
        run, sampling = path.parents[1].name, path.parent.name
        seed = int(run.removeprefix("seed"))
        found.setdefault(sampling, {})[seed] = draws.load(path).drop_attrs()
    joined = [
        xr.concat(list(seeds.values()), xr.IndexVariable("seed", list(seeds)))
        for seeds in found.values()
    ]
    names = xr.IndexVariable("sampling", list(found))
    draws.save(job.output.joined, xr.concat(joined, names, join="outer"), job.provenance())

"""EK-FAC influence by kronfluence at the end of a run, or a word that it is not installed."""

import numpy as np
import torch
import xarray as xr

from stagewise.step import step
from stagewise import running
from stagewise.engine import draws
from stagewise.engine.kronfluence_scores import MISSING, installed, kronfluence_scores
from stagewise.training import trajectory

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}

with step(snakemake) as job:  # noqa: F821
    if installed():
        testbed = running.testbed(job)
        points = trajectory.points_of(testbed, job.input.checkpoints)
        last = int(np.argmax(points.index["step"]))
        scores = kronfluence_scores(
            {name: tensor[last] for name, tensor in points.parameters.items()},
            testbed.data,
            testbed.observables["test"].data,
            ACTIVATIONS[job.settings["model"].get("activation", "relu")],
        )
        found = xr.Dataset({"scores": (("train", "query"), scores)})
    else:
        found = xr.Dataset(attrs={"missing": MISSING})
    draws.save(job.output.scores, found, job.provenance())

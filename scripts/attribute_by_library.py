"""Influence by a library at the end of a run, or a word that it is not installed."""

import numpy as np
import torch
import xarray as xr

from stagewise.step import step
from stagewise import running, token_streams
from stagewise.engine import draws, kronfluence_scores, traker_scores
from stagewise.testbeds import gpt_neox
from stagewise.training import trajectory

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}

with step(snakemake) as job:  # noqa: F821
    by_traker = job.wildcards.library == "traker"
    library = traker_scores if by_traker else kronfluence_scores
    if library.installed():
        testbed = running.testbed(job)
        points = trajectory.points_of(testbed, job.input.checkpoints)
        last = int(np.argmax(points.index["step"]))
        weights = {name: tensor[last] for name, tensor in points.parameters.items()}
        train, test = testbed.data, testbed.observables["test"].data
        model = job.settings["model"]
        if job.wildcards.testbed == "gpt_neox":
            corpus = token_streams.load(job.input.tokens)
            scores = kronfluence_scores.kronfluence_language_scores(
                gpt_neox.module_with(weights, model, corpus), train["tokens"], test["tokens"]
            )
        else:
            given = weights, train, test, ACTIVATIONS[model.get("activation", "relu")]
            if by_traker:
                scores = traker_scores.traker_scores(*given, width=job.settings["projection"])
            else:
                scores = kronfluence_scores.kronfluence_scores(*given)
        found = xr.Dataset({"scores": (("train", "query"), scores)})
    else:
        found = xr.Dataset(attrs={"missing": library.MISSING})
    draws.save(job.output.scores, found, job.provenance())

"""The testbed of a job, from its wildcards, settings and inputs."""

from importlib import import_module

from stagewise.step import Step
from stagewise.testbeds.testbed import Testbed


def testbed(job: Step) -> Testbed:
    """The testbed named by the job's wildcards, with its settings `model` and its seed; with the
    tokens of its corpus, if the job has some as input, or with its documents as the file `text`."""
    build = import_module(f"stagewise.testbeds.{job.wildcards.testbed}").build
    inputs = [job.settings.get("model", {}), int(job.wildcards.seed)]
    if job.input.get("text"):
        inputs[0] = {**inputs[0], "text": job.input.text, "corpus": None}
    if job.input.get("tokens"):
        # By name, so that jobs without a corpus do not depend on how it is read.
        inputs.append(import_module("stagewise.token_streams").load(job.input.tokens))
    made: Testbed = build(*inputs)
    return made

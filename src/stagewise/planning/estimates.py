"""Seconds and megabytes that the jobs of a configuration should take: estimates, for planning."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from math import ceil, isfinite, sqrt
from typing import Any

from stagewise.engine.compressions import Compressions
from stagewise.engine.sampling import Sampling
from stagewise.planning import costs
from stagewise.planning.costs import Work
from stagewise.planning.networks import network
from stagewise.planning.sizes import Network
from stagewise.settings import build
from stagewise.training.retraining import Retraining
from stagewise.training.training import Training

START = 6.0
"""Seconds in which a job imports torch and makes its data."""
STEP = 4e-4
"""Seconds of a step beside its arithmetic."""
SMALL = 80.0
"""A network of P weights is 1 + SMALL / sqrt(P) times as slow as its arithmetic."""
MARGIN = 3.0
"""What a time limit is of the estimate, which is about as rough."""

REFUSED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What settings raise that a testbed or a sampler will refuse: to name them is not for a plan."""

Section = Mapping[str, Any]


class Estimates:
    """Of the jobs that train, sample, compress and score the runs of a configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """config  as it was checked; its section `planning` says how fast machines are."""
        self._config = config
        self._vocabularies = {
            name: section["vocabulary"] for name, section in config.get("corpora", {}).items()
        }
        self.work = cache(self._work)

    def _work(self, rule: str, testbed: str, variant: str, name: str | None = None) -> Work | None:
        """Of a job of that rule, with `name` its sampling or compression; None where it cannot be
        told (`networks.network`), or the settings are such that the job will end with a message."""
        section = self._config["testbeds"][testbed][variant]
        try:
            sizes = network(testbed, section.get("model", {}), self._vocabularies)
            if sizes is None:
                return None
            found = WORK[rule](self._config, section, sizes, name)
            operations = found.operations * (1 + SMALL / sqrt(sizes.parameters))
            if not isfinite(operations + found.bytes):
                return None
        except REFUSED:
            return None
        return replace(found, operations=operations)

    def on_gpu(self, rule: str, testbed: str, variant: str, name: str | None = None) -> bool:
        """Whether its settings ask for a GPU."""
        section = self._config["testbeds"][testbed][variant]
        kind = KINDS.get(rule)
        return kind is not None and section[kind][name].get("device") == "cuda"

    def seconds(self, rule: str, *job: str) -> int | None:
        """That the job takes on one core or, where its settings ask for one, on a GPU."""
        work = self.work(rule, *job)
        if work is None:
            return None
        speed = self._config["planning"]["gpu" if self.on_gpu(rule, *job) else "core"]
        return ceil(START + STEP * work.steps + work.operations / speed)

    def megabytes(self, rule: str, *job: str) -> int | None:
        """That the job writes."""
        work = self.work(rule, *job)
        return None if work is None else ceil(work.bytes / 1e6)

    def minutes(self, least: int, rule: str, *job: str) -> int:
        """The job's time limit, at least so much."""
        seconds = self.seconds(rule, *job)
        return least if seconds is None else max(least, ceil(MARGIN * seconds / 60))


def _training(section: Section) -> Training | None:
    """None where the points are known."""
    return build(Training, section["training"], "training") if "training" in section else None


def _trained(section: Section) -> Training:
    return build(Training, section.get("training", {}), "training")


def _sampling(section: Section, name: str | None, network: Network) -> tuple[Work, int]:
    """What all chains take, and how many jobs share them."""
    sampling = build(Sampling, section["sampling"][name], "sampling")
    return costs.sampling_work(network, _training(section), sampling), sampling.shards


def _gathered(work: Work, shards: int) -> Work:
    """What the job takes that writes the draws: nothing more, where others have made them."""
    return work if shards == 1 else Work(0, work.bytes)


def _shard(work: Work, shards: int) -> Work:
    """What one of the jobs takes that share the chains; its file does not stay."""
    return Work(work.operations / shards, 0, work.steps)


KINDS = {"sample": "sampling", "sample_shard": "sampling", "compress": "compression"}
"""Rule -> the section of a variant that says on which device its jobs run."""

WORK: dict[str, Callable[[Section, Section, Network, str | None], Work]] = {
    "train": lambda config, section, sizes, _: costs.training_work(sizes, _trained(section)),
    "retrain": lambda config, section, sizes, _: costs.retraining_work(
        sizes,
        _trained(section),
        build(Retraining, section.get("retraining", {}), "retraining"),
    ),
    "sample": lambda config, section, sizes, name: _gathered(*_sampling(section, name, sizes)),
    "sample_shard": lambda config, section, sizes, name: _shard(*_sampling(section, name, sizes)),
    "compress": lambda config, section, sizes, name: costs.compression_work(
        sizes, _training(section), build(Compressions, section["compression"][name], "compression")
    ),
    "curvature": lambda config, section, sizes, _: costs.curvature_work(
        sizes, _training(section), **config["curvature"]
    ),
    "behaviour": lambda config, section, sizes, _: costs.scores_work(
        sizes, _training(section), costs.BEHAVIOUR
    ),
    "ablations": lambda config, section, sizes, _: costs.scores_work(
        sizes, _training(section), 1 + sizes.ablated
    ),
}
"""Rule -> (configuration, variant, its sizes, sampling or compression) -> what a job takes."""

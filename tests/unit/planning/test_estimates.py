"""Estimates of work that can be counted by hand, and of settings that cannot be right."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stagewise.engine.sampling import Sampling
from stagewise.planning import costs
from stagewise.planning.estimates import MARGIN, START, Estimates
from stagewise.planning.networks import network
from stagewise.planning.sizes import Network
from stagewise.testbeds.digits_mlp import build
from stagewise.training import trajectory
from stagewise.training.loop import train
from stagewise.training.training import Configuration, Training

ROOT = Path(__file__).resolve().parents[3]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text())
LINE = Network(parameters=10, operations=20, samples=100, points=3, item=8)
SGLD = Sampling(kernel="sgld", steps=50, burn_in=10, chains=4, localization=1.0, thin=2)


def estimates(**changes: Any) -> Estimates:
    """Of a configuration with these variants of digits_mlp and no others."""
    return Estimates({**CONFIG, "testbeds": {"digits_mlp": changes}})


def test_chains_are_counted() -> None:
    work = costs.sampling_work(LINE, None, SGLD)
    chains = 3 * 4
    each = costs.GRADIENT * 20 * 100 + costs.UPDATE * 10
    assert work.operations == chains * 50 * each
    assert work.bytes == chains * 20 * costs.DRAW
    assert work.steps == 50


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"chains": 8}, 2),
        ({"n": [10.0, 20.0, 30.0]}, 3),
        ({"epsilon": [0.1, 0.2]}, 2),
        ({"components": ["a", "b"]}, 2),
        ({"checkpoints": {"column": 1}}, 1 / 3),
    ],
)
def test_work_grows_with_chains(changes: dict[str, Any], factor: float) -> None:
    line = Network(parameters=10, operations=20, points=3, columns={"column": [1, 2, 3]})
    one = costs.sampling_work(line, None, SGLD)
    more = costs.sampling_work(line, None, Sampling(**{**vars(SGLD), **changes}))
    assert more.operations == pytest.approx(factor * one.operations)
    assert more.bytes == pytest.approx(factor * one.bytes)


def test_pythia_takes_what_the_formula_says() -> None:
    """6 P operations a token and step: 4 chains of 200 steps of 32 sequences of 2,048 tokens."""
    model = {"name": "EleutherAI/pythia-1.4b", "revisions": ["step2000"], "context": 2048}
    sizes = network("huggingface", model, {})
    assert sizes is not None
    sampling = Sampling(
        kernel="sgld", steps=200, burn_in=100, chains=4, localization=1.0, n=[30.0], batch=32
    )
    wanted = 6 * 1.4e9 * 4 * 200 * 32 * 2048
    assert costs.sampling_work(sizes, None, sampling).operations == pytest.approx(wanted, rel=1e-3)


def test_names_without_a_size_have_no_estimate() -> None:
    assert network("huggingface", {"name": "owner/small-model"}, {}) is None
    assert network("huggingface", {"folder": "my-model"}, {}) is None
    assert network("a_testbed_of_yours", {}, {}) is None


@pytest.mark.parametrize(
    "wanted", [None, {"step": [0, 40]}, {"kind": ["scheduled", "target"]}, {"kind": "start"}]
)
def test_checkpoints_are_those_of_training(wanted: dict[str, Any] | None, tmp_path: Path) -> None:
    model = {"hidden": [8], "train": 50}
    training = Training(
        configurations=[Configuration(learning_rate=r, batch=10) for r in (0.05, 0.1)],
        steps=40,
        models=3,
        linear_checkpoints=4,
        log_checkpoints=5,
        target_losses=[2.2],
        target_steps=400,
    )
    points = train(build(model, 0), training, seed=0, report=lambda *_: None)
    sizes = network("digits_mlp", model, {})
    assert sizes is not None
    found = costs.checkpoints(sizes, training, wanted)
    assert found == len(points.places(wanted))
    if wanted is None:
        trajectory.save(tmp_path / "points", points, testbed="digits_mlp", provenance={})
        weights = sum(tensor.nbytes for tensor in points.parameters.values())
        assert costs.training_work(sizes, training).bytes == weights


def test_limits_are_several_estimates_and_at_least_the_least() -> None:
    section = deepcopy(CONFIG["testbeds"]["digits_mlp"]["attribution"])
    section["sampling"]["main"]["steps"] = 10_000_000
    job = "sample", "digits_mlp", "long", "main"
    found = estimates(long=section)
    assert found.minutes(60, *job) == pytest.approx(MARGIN * found.seconds(*job) / 60, abs=1)
    train_job = "train", "digits_mlp", "long"
    assert START < found.seconds(*train_job) < 60
    assert found.minutes(60, *train_job) == 60


def test_jobs_that_share_chains_share_the_work() -> None:
    section = deepcopy(CONFIG["testbeds"]["digits_mlp"]["attribution"])
    alone = estimates(any=section).work("sample", "digits_mlp", "any", "main")
    section["sampling"]["main"]["shards"] = 4
    found = estimates(any=section)
    shard, gathering = (
        found.work(rule, "digits_mlp", "any", "main") for rule in ("sample_shard", "sample")
    )
    assert 4 * shard.operations == alone.operations
    assert (gathering.operations, gathering.bytes) == (0, alone.bytes)


def test_gpus_are_those_that_settings_ask_for() -> None:
    section = deepcopy(CONFIG["testbeds"]["digits_mlp"]["attribution"])
    section["sampling"]["main"] |= {"device": "cuda", "steps": 10_000_000}
    section["sampling"]["weak"] |= {"steps": 10_000_000}
    found = estimates(any=section)
    jobs = [("sample", "digits_mlp", "any", name) for name in ("main", "weak")]
    assert [found.on_gpu(*job) for job in jobs] == [True, False]
    assert found.seconds(*jobs[0]) < found.seconds(*jobs[1])
    assert not found.on_gpu("train", "digits_mlp", "any")


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_subnormal=False), st.text(max_size=3),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip
KEYS = ("hidden", "train", "test", "data", "widths", "layers", "networks", "points", "grammar",
        "length", "width", "samples", "features", "potentials", "name", "revisions")  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(CONFIG["testbeds"])),
    st.dictionaries(st.sampled_from(KEYS), anything),
    st.dictionaries(st.sampled_from(["steps", "models", "log_checkpoints"]), st.integers()),
)
def test_no_settings_keep_a_run_from_being_planned(
    testbed: str, model: dict[str, Any], training: dict[str, Any]
) -> None:
    """What is wrong with them the job itself will say."""
    section = {"model": model, "training": {"configurations": [{"learning_rate": 1.0}], **training}}
    found = Estimates({**CONFIG, "testbeds": {testbed: {"any": section}}})
    seconds = found.seconds("train", testbed, "any")
    assert seconds is None or seconds >= 0
    assert found.minutes(60, "train", testbed, "any") >= 60

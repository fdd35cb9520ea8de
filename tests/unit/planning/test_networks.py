"""Sizes told from settings are those of the testbeds that are built from them."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stagewise.data.tokens import Tokens
from stagewise.planning.networks import TESTBEDS, network
from stagewise.seeds import generator
from stagewise.testbeds.testbed import Testbed

ROOT = Path(__file__).resolve().parents[3]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
VARIANTS = {
    f"{testbed}/{variant}": (testbed, section)
    for testbed, family in CONFIG["testbeds"].items()
    for variant, section in family.items()
}
VOCABULARY = 512
DOMAINS = ("code", "data", "headers", "licences", "prose")


def corpus() -> Tokens:
    """Random tokens in five domains."""
    random = np.random.default_rng(0)
    streams = {name: random.integers(1, VOCABULARY, 40_000).astype(np.int16) for name in DOMAINS}
    return Tokens(VOCABULARY, streams, streams)


def built(name: str, model: dict[str, Any]) -> Testbed:
    """The testbed."""
    build = import_module(f"stagewise.testbeds.{name}").build
    return build(model, 0, corpus()) if "corpus" in model else build(model, 0)


def test_every_testbed_has_sizes() -> None:
    folder = ROOT / "src/stagewise/testbeds"
    assert set(TESTBEDS) == {p.stem for p in folder.glob("[a-z]*.py")} - {"testbed"}


@pytest.mark.parametrize("case", VARIANTS)
def test_sizes_are_those_of_the_testbed(case: str) -> None:
    name, section = VARIANTS[case]
    model = section.get("model", {})
    found, testbed = network(name, model, {"installed": VOCABULARY}), built(name, model)
    assert found is not None
    points = testbed.points() if testbed.points else None
    weights = points.parameters if points else testbed.initial(generator(0, "initial"))
    item = next(iter(weights.values()))
    assert found.points == (len(points) if points else 0)
    assert found.parameters == sum(t[0].numel() if points else t.numel() for t in weights.values())
    assert found.item == item.element_size()
    assert found.samples == (testbed.samples or 1)
    reported = len(next(iter(testbed.reported.values()))) if testbed.reported else 1
    assert (found.reported or found.samples) == reported
    if points:
        for column, values in found.columns.items():
            assert sorted(set(points.index[column])) == sorted(set(values))
    for observed, samples in found.observables.items():
        data = testbed.observables[observed].data
        assert len(next(iter(data.values()))) == samples

"""Figure 4's part on text: planted patterns are found, and nothing where there is none."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stagewise.data.tokens import Tokens
from stagewise.estimators.text_classes import TEXT_CLASSES
from stagewise.findings import susceptibilities_text
from stagewise.findings.text_probes import Probes, outlier, over_random, probe_rows
from stagewise.findings.text_tokens import known_of
from stagewise.settings import SettingsError
from stagewise.testbeds.text import mixed

HEADS = ["0:0", "0:1", "1:0", "1:1"]
MODEL: dict[str, Any] = {
    "corpus": "c", "length": 24, "block": [3, 8], "train": 40, "test": 6, "alone": 6, "refined": 4,
    "width": 8, "heads": 2,
}  # fmt: skip
SETTINGS = {"model": MODEL, "bootstrap": 20, "permutations": 20}
LETTERS = [f"{space}{letter}" for space in ("", " ") for letter in "abcdefgh"]
VOCABULARY = ["<|endoftext|>", *LETTERS, "(", ")", "\n", "7"]
GATED = ("induction", "circuit", "previous_head", "induction_head", "unforeseen", "context")
SCORES = {
    "previous_token": {"0:0": 0.9, "0:1": 0.1, "1:0": 0.1, "1:1": 0.1},
    "prefix": {"0:0": 0.0, "0:1": 0.0, "1:0": 0.8, "1:1": 0.1},
}


def corpus() -> Tokens:
    random = np.random.default_rng(0)
    streams = [random.integers(1, len(VOCABULARY), 400).astype(np.uint16) for _ in range(4)]
    return Tokens(
        len(VOCABULARY),
        {"a": streams[0], "b": streams[1][:100]},
        {"a": streams[2], "b": streams[3]},
    )


def found(noise: float = 0.3) -> xr.Dataset:
    """Heads whose halves agree; `0:0` and `1:0` know induction tokens, with opposite signs."""
    known = known_of(mixed(MODEL, corpus()), corpus(), VOCABULARY)
    random = np.random.default_rng(1)
    shape = (len(HEADS), len(known.sequence))
    signal = 0.3 * random.standard_normal(shape)
    signal[0] -= 2 * known.induction
    signal[2] += 2 * known.induction
    fragile = random.standard_normal(shape[1]) + known.induction
    scale = np.array([1.0, 20.0, 0.1, 3.0])[:, None]
    halves = [scale * (signal + noise * random.standard_normal(shape)) for _ in range(2)]
    sizes = (int(known.sequence[-1]) + 1, MODEL["length"])
    dims = ("checkpoint", "component", "half", "sample", "token")
    restricted = np.stack(halves, 1).reshape(1, len(HEADS), 2, *sizes)
    rank_one = (10 * scale * fragile).reshape(1, len(HEADS), 1, *sizes)
    return xr.Dataset(
        {
            "restricted": (dims, restricted),
            "two_chain": (dims, restricted + rank_one),
            "fragility": (
                ("checkpoint", "half", "sample", "token"),
                np.stack([fragile, fragile]).reshape(1, 2, *sizes),
            ),
            "rise": (("checkpoint", "component", "half"), np.full((1, len(HEADS), 2), 0.05)),
        },
        coords={"component": HEADS, "step": ("checkpoint", [40])},
        attrs={"seed": 0},
    )


def measured(data: xr.Dataset) -> tuple[pd.DataFrame, dict[str, Any]]:
    scores = {f"{name} {head}": [v] for name, of in SCORES.items() for head, v in of.items()}
    inputs = {
        "susceptibilities": [data],
        "behaviour": [pd.DataFrame({"step": [40], **scores})],
        "tokens": [corpus()],
        "vocabulary": [VOCABULARY],
    }
    return susceptibilities_text.measure(inputs, SETTINGS)


def test_planted_patterns_are_found() -> None:
    table, statistics = measured(found())
    value = {name: number.value for name, number in statistics.items()}
    assert value["text_reliability"] > 0.5
    assert value["text_induction"] > 0.9
    assert value["control_text_induction"] < value["text_induction"] - 0.15
    assert value["text_circuit"] > 1.5
    assert value["text_previous_head"] < -0.5
    assert value["text_induction_head"] > 0.5
    assert value["text_first_share"] > 0.9
    assert value["text_fragility"] > 0.95
    assert value["text_same_sign"] == 1
    assert value["text_greatest_rise"] == pytest.approx(0.05)
    assert not any(number.doubt for number in statistics.values())
    tokens = table[table["kind"] == "token"]
    text = mixed(MODEL, corpus())
    shown = [json.loads(one) for one in tokens["text"]]
    assert shown == [VOCABULARY[token] for token in text.tokens[:, 1:].ravel()]
    np.testing.assert_allclose(tokens[HEADS].std(ddof=0), 1, atol=1e-3)


def test_noise_decides_nothing() -> None:
    _, statistics = measured(found(noise=30.0))
    assert statistics["text_reliability"].value < 0.5
    for name in (
        "induction",
        "circuit",
        "previous_head",
        "induction_head",
        "unforeseen",
        "context",
    ):
        assert "draws" in statistics[f"text_{name}"].doubt
    assert not statistics["text_fragility"].doubt


def test_other_tokens_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"text\.model: it has \d+ tokens"):
        measured(found().isel(sample=slice(2, None)))


def probes(effect: float) -> Probes:
    random = np.random.default_rng(2)
    domain = np.repeat(["a", "b", "c"], 80)
    values = random.standard_normal((240, 2))
    values[domain == "b", 1] += effect
    return Probes(values, domain, np.repeat(np.arange(30), 8))


BASE = {"a": 0.5, "b": 0.25, "c": 0.25}


def test_probes_are_means_less_the_base() -> None:
    made = probes(3.0)
    rows = probe_rows(made, BASE, ["0:0", "0:1"], repeats=50, seed=0).set_index(["source", "head"])
    means = {name: made.values[made.domain == name].mean(0) for name in BASE}
    base = sum(share * means[name] for name, share in BASE.items())
    for name in BASE:
        for place, head in enumerate(("0:0", "0:1")):
            row = rows.loc[(name, head)]
            assert row["value"] == pytest.approx(means[name][place] - base[place])
            assert row["low"] < row["value"] < row["high"]
    # The base less itself is nothing.
    assert sum(share * rows.loc[(name, "0:1"), "value"] for name, share in BASE.items()) == (
        pytest.approx(0, abs=1e-12)
    )


def test_domains_stand_out_where_they_differ() -> None:
    assert over_random(probes(3.0), BASE, permutations=200, seed=0).value > 2
    assert over_random(probes(0.0), BASE, permutations=200, seed=0).value < 1.2


def test_an_outlier_is_due_to_the_class_that_makes_it() -> None:
    made = probes(0.0)
    kind = np.tile(np.repeat([0, TEXT_CLASSES.index("space")], 4), 30)
    values = made.values.copy()
    values[(made.domain == "c") & (kind > 0), 0] += 8.0
    share = outlier(Probes(values, made.domain, made.sequence), BASE, kind, repeats=50, seed=0)
    assert share.value > 0.8
    assert share.low is not None
    assert share.low < share.value
    values[(made.domain == "c"), 0] = 8.0
    even = outlier(Probes(values, made.domain, made.sequence), BASE, kind, repeats=50, seed=0)
    assert even.value == pytest.approx(0.5, abs=0.05)

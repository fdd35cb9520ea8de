"""Influence between classes of tokens of text, on draws whose answer is planted."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from stagewise.data.tokens import Tokens
from stagewise.estimators.text_classes import TEXT_CLASSES
from stagewise.figures.stagewise_bif_language import (
    TEXT_BRACKETS,
    draw_classes,
    draw_delimiters,
)
from stagewise.figures.stagewise_bif_language import (
    TEXT_CLASSES as SHOWN,
)
from stagewise.figures.style import styled
from stagewise.findings import stagewise_bif_text
from stagewise.testbeds.testbed import Points
from stagewise.testbeds.text import mixed

MODEL: dict[str, Any] = {
    "corpus": "c", "length": 24, "block": [3, 8], "train": 40, "test": 6, "alone": 6, "refined": 4,
    "width": 8, "heads": 2,
}  # fmt: skip
VOCABULARY = ["<|endoftext|>", *(f" {a}{b}" for a in "abcdef" for b in "abcdef"), "(", ")", "\n"]
STEPS = np.array([0, 10, 20, 50, 100, 200, 400])
COMMON = {
    "induction": [0.2, 0.2, 0.2, 0.2, 0.2, 4, 3],
    "copied": [0.2, 0.2, 0.2, 0.2, 2.5, 3, 3],
    "unforeseen": [0.5] * 7,
    "left delimiter": [1] * 7,
    "right delimiter": [1, 1, 1, -1, -1, -1, -1],
}
"""How strongly the tokens of a class move together, by checkpoint."""


def corpus() -> Tokens:
    random = np.random.default_rng(0)
    streams = [random.integers(1, len(VOCABULARY), 4000).astype(np.uint16) for _ in range(2)]
    return Tokens(len(VOCABULARY), {"a": streams[0]}, {"a": streams[1]})


def draws(seed: int) -> xr.Dataset:
    classes = stagewise_bif_text.classes_of(mixed(MODEL, corpus()), corpus(), VOCABULARY)
    random = np.random.default_rng(seed)
    shape = (len(STEPS), 1, 3, 40)
    tokens = classes["copied"].shape
    losses = random.standard_normal((*shape, *tokens))
    together = random.standard_normal(shape)
    for name, amounts in COMMON.items():
        common = together if name.endswith("delimiter") else random.standard_normal(shape)
        moved = np.array(amounts)[:, None, None, None] * common
        losses += moved[..., None, None] * classes[name]
    centre = np.full((len(STEPS), *tokens), 2.9)
    centre[3:, classes["right delimiter"]] = 1.0
    dims = ("checkpoint", "n", "chain", "mixed_draw", "mixed_sample", "mixed_token")
    return xr.Dataset(
        {
            "mixed_loss": (dims, 3 + losses),
            "mixed_loss_at_centre": (("checkpoint", *dims[4:]), centre),
            "rhat": (("checkpoint", "n"), np.ones((len(STEPS), 1))),
        },
        coords={"step": ("checkpoint", STEPS)},
        attrs={"seed": seed, "provenance": json.dumps({"settings": {"model": MODEL}})},
    )


def text() -> tuple[pd.DataFrame, dict[str, Any]]:
    gap = np.array([0.0, 0.0, 0.05, 0.2, 0.8, 3.0, 4.0])
    run = Points({}, pd.DataFrame({"step": STEPS, "induction_gap": gap}))
    inputs = {
        "draws": [draws(0), draws(1)],
        "twice": [draws(seed).isel(checkpoint=[-1]) for seed in (0, 1)],
        "runs": [run, run],
        "tokens": [corpus()],
        "vocabulary": [VOCABULARY],
    }
    return stagewise_bif_text.measure(inputs, {"gap": 0.1, "blocks": 2})


def test_classes_are_of_text_but_for_copies() -> None:
    made = mixed(MODEL, corpus())
    classes = stagewise_bif_text.classes_of(made, corpus(), VOCABULARY)
    assert list(classes) == [*TEXT_CLASSES, "induction", "unforeseen", "copied"]
    of_blocks = (made.sizes > 0)[:, None] & np.ones_like(classes["copied"])
    for name, chosen in classes.items():
        inside = chosen & (of_blocks if name == "copied" else ~of_blocks)
        assert (inside == chosen).all()
    again = made.tokens[:, 1:][classes["copied"]]
    rows, places = np.nonzero(classes["copied"])
    before = made.tokens[:, 1:][rows, places - made.sizes[rows]]
    assert (again == before).all()
    assert not (classes["induction"] & classes["unforeseen"]).any()
    kinds = np.stack([classes[name] for name in TEXT_CLASSES])
    assert (kinds.sum(0)[~of_blocks] == 1).all()


def test_planted_classes_are_found() -> None:
    table, found = text()
    assert (table["onset"] == 100).all()
    assert table["brackets"].between(20, 50).all()
    own = table[(table["first"] == "induction") & (table["second"] == "induction")]
    assert own.groupby("step")["covariance"].mean()[200] == pytest.approx(16, rel=0.3)
    assert found["text_induction_peak"].value > 30
    assert found["text_induction_time"].value == pytest.approx(201 / 101)
    assert found["text_copied_time"].value == pytest.approx(1)
    assert found["text_unforeseen_peak"].value < 0.1
    assert found["text_closing_peak"].value < 2
    assert found["text_shuffled"].value < 0.1
    assert found["text_delimiters_early"].value == pytest.approx(1, rel=0.4)
    assert found["text_delimiters_late"].value == pytest.approx(-1, rel=0.4)
    assert found["text_correlation_delimiters_late"].value < -0.2
    assert found["text_trend"].value < 0.2
    assert not any(number.doubt for number in found.values())


def test_panels_are_drawn() -> None:
    table, _ = text()
    with styled():
        axes = Figure().subplots(1, 2)
        draw_classes(axes[0], table, "correlation", SHOWN, "Text")
        draw_delimiters(axes[1], table, TEXT_BRACKETS, "Text")
    assert all(axis.lines for axis in axes)

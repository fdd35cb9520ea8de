"""The tables of the companion pages, from made-up susceptibilities."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stagewise.data.grammar import Grammar
from stagewise.findings import embryology_companion, susceptibilities_companion
from stagewise.findings.token_rows import columns, symbols
from stagewise.settings import SettingsError
from stagewise.testbeds.synthetic_language import MIXED, mixed

SHARES = {"markov": 0.4, "repeats": 0.2, "brackets": 0.2, "indents": 0.2}
MODEL: dict[str, Any] = {
    "grammar": {"shares": SHARES}, "length": 32, "train": 64, "test": 16, "alone": MIXED,
    "refined": 16, "width": 8, "heads": 2,
}  # fmt: skip
HEADS = ["0:0", "0:1", "1:0", "1:1"]


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    random = np.random.default_rng(0)
    shape = (3, len(HEADS), 2, len(SHARES) * MIXED, 32)
    dims = ("checkpoint", "component", "half", "sample", "token")
    scale = np.array([1.0, 10.0, 0.1, 3.0])[:, None, None, None]
    return xr.Dataset(
        {
            name: (dims, scale * random.standard_normal(shape))
            for name in ("restricted", "two_chain")
        },
        coords={"component": HEADS, "step": ("checkpoint", [500, 20, 100])},
        attrs={"seed": 0},
    )


def test_every_symbol_is_another() -> None:
    for grammar in (Grammar(), Grammar(shares=SHARES), Grammar(ordinary=70, keys=12, rules=12)):
        found = symbols(grammar)
        assert len(found) == len(set(found)) == grammar.vocabulary
    assert symbols(Grammar(shares=SHARES))[Grammar().space] == "·"
    assert symbols(Grammar())[-1] == "^"


def test_the_page_of_figure_4_has_every_token(found: xr.Dataset) -> None:
    table, statistics = susceptibilities_companion.measure(
        {"susceptibilities": [found]}, {"model": MODEL}
    )
    text = mixed(MODEL)
    assert len(table) == text.classes.size
    assert table["step"].unique().tolist() == [100]
    signs = symbols(Grammar(shares=SHARES))
    assert [json.loads(one) for one in table["text"]] == [
        signs[token] for token in text.tokens[:, 1:].ravel()
    ]
    assert table.groupby("source")["class"].unique()["indents"].tolist() == ["space", "word"]
    np.testing.assert_allclose(table[HEADS].std(ddof=0), 1, atol=1e-3)
    mean = found["restricted"][2].mean("half").values.reshape(4, -1)
    for place, head in enumerate(HEADS):
        assert np.corrcoef(table[head], mean[place])[0, 1] > 0.99999
    # Scores along principal axes are uncorrelated, and show what they are said to.
    assert abs(np.corrcoef(table["x"], table["y"])[0, 1]) < 1e-3
    shown = table[["x", "y"]].var(ddof=0).sum() / table[HEADS].var(ddof=0).sum()
    assert statistics["companion_shown"].value == pytest.approx(shown, abs=1e-3)


def test_the_map_of_figure_4_is_of_heads_alone(found: xr.Dataset) -> None:
    named = found.assign_coords(component=[*HEADS[:3], "embedding"])
    tables = [
        susceptibilities_companion.measure({"susceptibilities": [data]}, {"model": MODEL})[0]
        for data in (named, found.isel(component=slice(3)))
    ]
    pd.testing.assert_frame_equal(tables[0].drop(columns="embedding"), tables[1])


def test_the_page_of_figure_13_has_the_same_tokens_at_all_steps(
    found: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # UMAP compiles itself for many seconds; any map will do.
    monkeypatch.setattr(embryology_companion, "umap_places", lambda values, **how: values[:, :2])
    table, statistics = embryology_companion.measure(
        {"susceptibilities": [found]}, {"model": MODEL, "sequences": 2}
    )
    assert statistics["companion_tokens"].value == 2 * len(SHARES) * 32
    assert table["step"].unique().tolist() == [20, 100, 500]
    steps = [rows.reset_index(drop=True) for _, rows in table.groupby("step")]
    for rows in steps:
        assert rows["text"].tolist() == steps[0]["text"].tolist()
        assert rows["source"].value_counts().to_dict() == dict.fromkeys(SHARES, 64)
    values = columns(found.isel(checkpoint=1), "two_chain").reshape(-1, 32, 4)
    second = values[MIXED : MIXED + 2].reshape(-1, 4)  # of the second source
    np.testing.assert_allclose(steps[0][HEADS].iloc[64:128], second, atol=1e-4)
    np.testing.assert_array_equal(table[["x", "y"]], table[HEADS[:2]])


def test_other_settings_are_refused(found: xr.Dataset) -> None:
    with pytest.raises(SettingsError, match="tokens, the susceptibilities"):
        susceptibilities_companion.measure(
            {"susceptibilities": [found]}, {"model": MODEL | {"length": 48}}
        )

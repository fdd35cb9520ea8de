"""The statistics of figure 14's clusters on susceptibilities with planted reasons."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stagewise.data.synthetic_language import CLASSES
from stagewise.findings.spectroscopy_clusters import measure as measure_clusters
from stagewise.findings.spectroscopy_features import Settings as FeatureSettings
from stagewise.findings.spectroscopy_features import _matches, _over_clusters
from stagewise.findings.spectroscopy_untempered import measure as measure_untempered
from stagewise.findings.token_spectra import (
    INDUCTION,
    REASONS,
    Settings,
    by_sequence,
    gate,
    over_walks,
    tokens_of,
)
from stagewise.testbeds.synthetic_language import mixed

random = np.random.default_rng(0)
SHARES = {"markov": 0.3, "repeats": 0.25, "rules": 0.2, "brackets": 0.1, "indents": 0.15}
MODEL = {"grammar": {"ordinary": 12, "shares": SHARES}}
SETTINGS = {"model": MODEL, "walks": 2}
COMPONENTS = [f"0:{k}" for k in range(8)]


@pytest.fixture(autouse=True)
def _without_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which take most of the time."""
    monkeypatch.setattr(
        "stagewise.findings.spectroscopy_clusters.umap_places",
        lambda points, neighbours: points[:, :2],
    )


def susceptibilities(strength: float, noise: float = 0.3, seed: int = 3) -> xr.Dataset:
    """Vectors that the reason of a token decides; two-chain ones have a common mode, too."""
    text = mixed(MODEL)
    names = np.array([next(k for k, v in enumerate(REASONS.values()) if c in v) for c in CLASSES])
    reasons = names[text.classes]
    lines = np.eye(len(REASONS))[:, np.random.default_rng(seed).permutation(len(COMPONENTS))]
    own = strength * lines[reasons] + random.standard_normal((*reasons.shape, len(COMPONENTS)))
    halves = own + noise * random.standard_normal((2, *own.shape))
    common = random.standard_normal(reasons.shape)[..., None] * np.ones(len(COMPONENTS))
    dims = ("checkpoint", "half", "sample", "token", "component")
    return xr.Dataset(
        {"restricted": (dims, halves[None]), "two_chain": (dims, (halves + 30 * common)[None])},
        coords={"component": COMPONENTS},
    ).assign_attrs(seed=seed)


def measured(strength: float, **more: Any) -> tuple[Any, dict[str, Any]]:
    inputs = {"response": [susceptibilities(strength, seed=seed) for seed in (3, 4)]}
    return measure_clusters(inputs, SETTINGS | more)


def test_every_class_has_one_reason() -> None:
    named = [name for names in REASONS.values() for name in names]
    assert sorted(named) == sorted(CLASSES)


def test_few_places_of_a_sequence_are_looked_at() -> None:
    tokens = tokens_of(Settings(MODEL))
    assert not tokens.chosen[:, :5].any()
    assert (tokens.chosen.mean(1) <= 0.2).all()
    text = mixed(MODEL)
    assert (text.tokens[:, 1:][tokens.chosen] == tokens.strings).all()
    repeated = text.classes[tokens.chosen] == CLASSES.index("repeated")
    assert ((tokens.reasons == INDUCTION) == repeated).all()


def test_planted_reasons_are_found() -> None:
    table, found = measured(12.0, variants={"alphas": [0.05], "neighbours": [30]})
    assert found["ami"].value > 0.7
    assert found["clusters"].value >= 5
    assert found["coverage"].value > 0.4
    assert found["ami_shuffled"].value < 0.1
    assert found["ami_margin"].value > 0.4
    assert found["stability"].value > 0.7
    assert found["induction_strings"].value >= 5
    assert found["reliability"].value > 0.8
    assert found["kept_columns"].value == len(COMPONENTS)
    assert all(number.doubt == "" for number in found.values())
    assert set(table["kind"]) == {"token", "cluster", "component", "score", "variant"}
    assert set(table.loc[table["kind"] == "variant", "name"]) == {
        "as above", "α = 0.05", "k = 30", "rows not centred", "two-chain",
    }  # fmt: skip


def test_vectors_without_reasons_agree_with_none() -> None:
    _, found = measured(0.0)
    assert abs(found["ami"].value) < 0.1


def test_a_common_mode_leads_until_rows_are_centred() -> None:
    _, found = measured(1.0)
    assert found["leading_share"].value > 0.9
    assert found["leading_fall"].value > 0.5
    assert found["restricted_leading_share"].value < 0.5


def test_unreliable_columns_decide_nothing() -> None:
    given = susceptibilities(1.0, noise=5.0)
    _, found = measure_clusters({"response": [given]}, SETTINGS)
    assert found["reliability"].value < 0.5
    assert "times as many draws would decide" in found["ami"].doubt
    assert "times as many draws would decide" in found["induction_strings"].doubt
    assert gate([given], tokens_of(Settings(MODEL)), 0.0)[1] == ""


def test_the_untempered_control_is_compared() -> None:
    inputs = {
        "response": [susceptibilities(6.0, seed=seed) for seed in (3, 4)],
        "untempered": [susceptibilities(0.0, seed=seed) for seed in (3, 4)],
    }
    table, found = measure_untempered(inputs, SETTINGS)
    assert found["induction_auc"].value > 0.9
    assert found["untempered_induction_auc"].value == pytest.approx(0.5, abs=0.1)
    assert found["induction_auc_difference"].low > 0.05
    assert found["ami_difference"].value > 0.3
    assert abs(found["untempered_correlation"].value) < 0.3
    assert len(table) == 4 * SETTINGS["walks"]


def test_features_that_are_reasons_match_and_random_sets_do_not() -> None:
    tokens = tokens_of(Settings(MODEL))
    features = np.eye(len(REASONS))[tokens.reasons]
    settings = FeatureSettings(MODEL, redrawn=5)
    found = _matches(tokens.reasons, features, tokens, settings)
    assert (found["f1"] == 1).all()
    induction = found[found["reason"] == "induction"].iloc[0]
    assert induction["chance"] < 0.7


def test_intervals_know_of_the_clusterings() -> None:
    tokens, settings = tokens_of(Settings(MODEL)), Settings(MODEL, walks=4)
    shares = tokens.reasons == INDUCTION
    alike = over_walks(lambda walk, some: shares[some].mean(), tokens, settings)
    alone = by_sequence(lambda some: shares[some].mean(), tokens)
    assert (alike.low, alike.value, alike.high) == pytest.approx(
        (alone.low, alone.value, alone.high)
    )
    apart = over_walks(lambda walk, some: shares[some].mean() + walk, tokens, settings)
    assert apart.value == pytest.approx(alone.value + 1.5)
    # Student's 0.95 quantile of three degrees, times the deviation of 0 to 3, over the root of four
    assert apart.high - apart.value == pytest.approx(2.353 * 1.291 / 2, abs=0.01)


def test_clusters_of_one_clustering_are_resampled_and_clusterings_spread() -> None:
    settings = FeatureSettings(MODEL, walks=2)
    values, walks = pd.Series([0.0, 1, 0, 1, 1, 1, 1, 1]), pd.Series([0] * 4 + [1] * 4)
    found = _over_clusters(values, walks, settings)
    assert found.value == 0.75
    assert found.n == 4
    assert found.high - 0.75 == pytest.approx(6.314 * 0.25, abs=0.15)  # one degree of freedom
    assert np.isnan(_over_clusters(values[:4], walks[:4], settings).value)


def test_one_walk_has_no_spread() -> None:
    with pytest.raises(ValueError, match="walks"):
        Settings(MODEL, walks=1)

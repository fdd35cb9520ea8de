"""Influence among all samples of a draws file."""

import numpy as np
import pytest
import xarray as xr

from stagewise.estimators.influence import correlation, covariance
from stagewise.estimators.influence_table import influences


def draws() -> xr.Dataset:
    random = np.random.default_rng(0)
    lead = ("checkpoint", "n", "chain")
    found = {}
    for name, entries in (("train", ["train_sample"]), ("text", ["text_sample", "text_token"])):
        shape = [3, 2][: len(entries)]
        found[f"{name}_loss"] = (
            (*lead, f"{name}_draw", *entries),
            random.standard_normal((2, 1, 3, 20, *shape)),
        )
        found[f"{name}_loss_at_centre"] = (("checkpoint", *entries), np.zeros((2, *shape)))
    return xr.Dataset(
        found
        | {
            "excess_loss": ((*lead, "draw"), random.standard_normal((2, 1, 3, 20))),
            "nbeta": ("n", [10.0]),
            "localization": 5.0,
            "stationary": (("checkpoint", "n"), [[True], [False]]),
        },
        coords={
            "train_draw": np.arange(20),
            "text_draw": np.arange(20),
            "step": ("checkpoint", [0, 9]),
        },
    )


def test_all_samples_and_tokens_against_each_other() -> None:
    source = draws()
    found = influences(source)
    assert found.covariance.dims == ("checkpoint", "n", "sample", "other")
    assert found.observable.values.tolist() == ["train"] * 3 + ["text"] * 6
    assert found.sequence.values.tolist() == [0, 1, 2, 0, 0, 1, 1, 2, 2]
    assert found.token.values.tolist() == [-1, -1, -1, 0, 1, 0, 1, 0, 1]
    whole = np.concatenate(
        [source.train_loss.values[1, 0], source.text_loss.values[1, 0].reshape(3, 20, 6)], axis=-1
    )
    assert np.allclose(found.covariance.values[1, 0], covariance(whole).value)
    assert np.allclose(found.correlation_error.values[1, 0], correlation(whole).error)
    assert found.step.values.tolist() == [0, 9]


def test_draws_without_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="observables"):
        influences(draws()[["excess_loss", "nbeta", "localization", "stationary"]])


def test_observables_at_other_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="different draws"):
        influences(draws().assign_coords(text_draw=2 * np.arange(20)))

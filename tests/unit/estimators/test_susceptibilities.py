"""Susceptibilities: the identity between both forms, and their invariances, on made-up traces."""

import numpy as np
import pytest
import xarray as xr

from stagewise.estimators.susceptibilities import susceptibilities
from stagewise.settings import SettingsError

RANDOM = np.random.default_rng(0)
NAMES = ["0:0", "0:1", "all"]


def traces(n: tuple[float, ...] = (30.0,), chains: int = 4) -> xr.Dataset:
    shape = (1, len(NAMES), len(n), chains, 25, 6, 5)
    dims = ("checkpoint", "component", "n", "chain", "words_draw", "words_sample", "words_token")
    at_centre = RANDOM.exponential(size=(1, 6, 5))
    noise = RANDOM.normal(size=shape)
    losses = at_centre[:, None, None, None, None] + 0.1 * noise + 0.05 * noise[..., :1, :1] ** 2
    return xr.Dataset(
        {
            "words_loss": (dims, losses),
            "words_loss_at_centre": (("checkpoint", "words_sample", "words_token"), at_centre),
            "nbeta": ("n", list(n)),
        },
        coords={"component": NAMES, "n": list(n)},
    )


def test_both_forms_by_their_definitions() -> None:
    draws = traces()
    found = susceptibilities(draws, "words").isel(checkpoint=0)
    at_centre = draws.words_loss_at_centre.values[0]
    for half, chains in enumerate((slice(0, 2), slice(2, 4))):
        losses = draws.words_loss.values[0, :, 0, chains].reshape(3, 50, 30)
        apart = losses - losses.mean(2, keepdims=True)
        for place, name in enumerate(NAMES[:2]):
            g = losses[place].mean(1) - at_centre.mean()
            e_g_apart = (g[:, None] * apart[place]).mean(0)
            restricted = -(e_g_apart - g.mean() * apart[place].mean(0))
            two_chain = -(e_g_apart - g.mean() * apart[2].mean(0))
            one = found.isel(half=half).sel(component=name)
            np.testing.assert_allclose(one.restricted.values.ravel(), restricted, atol=1e-14)
            np.testing.assert_allclose(one.two_chain.values.ravel(), two_chain, atol=1e-14)
            assert float(one.rise) == pytest.approx(g.mean())
        fragility = apart[2].mean(0) - (at_centre - at_centre.mean()).ravel()
        np.testing.assert_allclose(found.fragility[half].values.ravel(), fragility, atol=1e-14)


def test_columns_have_mean_zero() -> None:
    found = susceptibilities(traces(), "words")
    for name in ("restricted", "two_chain", "fragility"):
        mean = np.abs(found[name].mean(["sample", "token"]))
        assert float(mean.max()) < 1e-12 * float(found[name].std())


def test_coupled_chains_give_the_derivative() -> None:
    draws = traces(n=(20.0, 40.0)).assign(coupled=True)
    found = susceptibilities(draws, "words").isel(checkpoint=0, half=1)
    means = draws.words_loss.isel(checkpoint=0, chain=[2, 3]).mean(["chain", "words_draw"])
    rise = ((means.isel(n=1) - means.isel(n=0)) / 20).values[:2]
    expected = rise - rise.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(found.restricted, expected, atol=1e-14)


def test_kept_as_response_or_as_trace() -> None:
    draws = traces()
    losses, total = draws.words_loss, draws.words_loss.mean(["words_sample", "words_token"])
    kept = draws.drop_vars("words_loss").assign(
        words_loss_mean=losses.mean("words_draw"),
        words_loss_response=xr.cov(losses, total, dim="words_draw", ddof=0),
        words_total_mean=total.mean("words_draw"),
    )
    xr.testing.assert_allclose(susceptibilities(kept), susceptibilities(draws, "words"))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match=r"keep: response.*the draws have none"):
        susceptibilities(traces())
    with pytest.raises(SettingsError, match=r"observables.words: .*keep: response"):
        susceptibilities(traces().drop_vars("words_loss"), "words")
    with pytest.raises(SettingsError, match=r"chains: two halves .* at least 2, got 1"):
        susceptibilities(traces(chains=1), "words")
    with pytest.raises(SettingsError, match="at least 4, got 2"):
        susceptibilities(traces(chains=2).assign(coupled=True), "words")
    with pytest.raises(SettingsError, match="two sample sizes"):
        susceptibilities(traces().assign(coupled=True), "words")
    with pytest.raises(SettingsError, match="components: "):
        susceptibilities(traces().isel(component=0, drop=True), "words")

"""Diagnostics on traces whose properties are known."""

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

from stagewise.engine.diagnostics import diagnose


def autoregression(rho: float, *, chains: int, draws: int, seed: int) -> xr.DataArray:
    """Stationary x_t = rho x_(t-1) + sqrt(1 - rho^2) eta, variance 1."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((2, chains, draws))
    noise[..., 1:] *= (1 - rho**2) ** 0.5
    values = lfilter([1.0], [1.0, -rho], noise, axis=-1)
    return xr.DataArray(values, dims=("checkpoint", "chain", "draw"))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_autoregressions(rho: float) -> None:
    """The effective size of N draws is N (1 - rho) / (1 + rho); the estimate of it from 40 000
    draws has a standard error of about 4 per cent at rho = 0.9."""
    found = diagnose(autoregression(rho, chains=8, draws=5000, seed=0))
    expected = 8 * 5000 * (1 - rho) / (1 + rho)
    np.testing.assert_allclose(found.ess_bulk, expected, rtol=0.15)
    assert (abs(found.rhat - 1) < 0.01).all()
    assert (abs(found.drift) < 4).all()
    assert (found.ess_tail > 0.5 * expected).all()


def test_chains_in_different_places() -> None:
    trace = autoregression(0.5, chains=6, draws=500, seed=1)
    shifted = trace + xr.DataArray(np.arange(6.0), dims="chain")
    found = diagnose(shifted)
    # between-chain variance 3.5, within 1: R-hat is near sqrt(1 + 3.5)
    np.testing.assert_allclose(found.rhat, (1 + 3.5) ** 0.5, rtol=0.05)
    assert (found.rhat > 1.1).all()
    assert (found.ess_bulk < 20).all()


def test_chains_that_still_fall() -> None:
    trace = autoregression(0.5, chains=6, draws=500, seed=2)
    falling = trace - xr.DataArray(np.linspace(0, 2, 500), dims="draw")
    found = diagnose(falling)
    # the halves differ by 1, with standard error about sqrt(2 / (250 / 3) / 6) = 0.06: t near -16
    # on 5 degrees of freedom, one stationary trace in 50 000
    assert (found.drift < -3.5).all()
    assert (found.rhat > 1.05).all()


def test_other_orders_of_dimensions_and_more_of_them() -> None:
    trace = autoregression(0.3, chains=4, draws=200, seed=3)
    wide = trace.expand_dims(n=[1.0, 2.0], axis=-1)
    found = diagnose(wide)
    assert set(found.rhat.dims) == {"checkpoint", "n"}
    np.testing.assert_allclose(found.rhat.isel(n=1), diagnose(trace).rhat)


@pytest.mark.parametrize(("chains", "draws"), [(4, 100), (1, 100), (2, 4), (3, 2), (1, 1)])
def test_constant_and_short_traces_do_not_crash(chains: int, draws: int) -> None:
    """A control at zero temperature may not move at all. Warnings are errors here."""
    for values in (np.zeros((chains, draws)), np.random.default_rng(0).random((chains, draws))):
        found = diagnose(xr.DataArray(values, dims=("chain", "draw")))
        assert set(found.data_vars) == {"rhat", "ess_bulk", "ess_tail", "drift", "stationary"}
        if chains == 1:
            assert np.isnan(found.drift)


@pytest.mark.parametrize("chains", [2, 3, 8])
def test_drift_of_stationary_chains_is_a_normal_deviate(chains: int) -> None:
    """Of 4000 traces, the shares beyond 1.645 and 2.576 in absolute value, within four of their
    own standard errors. A plain t of two chains is beyond 2.576 in 24 per cent of them."""
    values = np.random.default_rng(5).standard_normal((4000, chains, 40))
    drift = diagnose(xr.DataArray(values, dims=("checkpoint", "chain", "draw"))).drift.values
    for threshold, share in ((1.645, 0.1), (2.576, 0.01)):
        error = (share * (1 - share) / 4000) ** 0.5
        assert abs((np.abs(drift) > threshold).mean() - share) < 4 * error

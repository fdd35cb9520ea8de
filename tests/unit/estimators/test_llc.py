"""lambda-hat from draws of known distribution."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t as student

from stagewise.estimators.llc import escaped, llc_table, local_learning_coefficient


def regular(d: int, *, chains: int = 6, draws: int = 4000, seed: int = 0) -> xr.Dataset:
    """Exact draws of a regular model: n beta L = |z|^2 / 2 with z standard normal in d dimensions.

    Two checkpoints, two n.
    """
    z = np.random.default_rng(seed).standard_normal((2, 2, chains, draws, d))
    nbeta = np.array([20.0, 300.0])
    losses = (z**2).sum(-1) / 2 / nbeta[:, None, None]
    names = ("checkpoint", "n")
    return xr.Dataset(
        {
            "excess_loss": ((*names, "chain", "draw"), losses),
            "distance": ((*names, "chain", "draw"), np.ones_like(losses)),
            "acceptance": ((*names, "chain"), np.full((2, 2, chains), 0.8)),
            "nbeta": ("n", nbeta),
            "loss_at_centre": ("checkpoint", [0.5, 0.25]),
            "rhat": (names, np.ones((2, 2))),
        },
        coords={
            "checkpoint": [0, 1],
            "n": [100.0, 2000.0],
            "chain": np.arange(chains),
            "draw": np.arange(draws),
            "step": ("checkpoint", [0, 50]),
        },
    )


@pytest.mark.parametrize("d", [1, 6, 40])
def test_regular_model_has_half_its_dimension(d: int) -> None:
    """The mean of |z|^2 / 2 over 24 000 draws has standard error sqrt(d / 2 / 24000): 4 of them."""
    found = local_learning_coefficient(regular(d))
    error = (d / 2 / 24_000) ** 0.5
    np.testing.assert_allclose(found.lambda_hat, d / 2, atol=4 * error)
    # its estimate from 6 chains has 5 degrees of freedom: within a factor of three
    assert (found.standard_error > error / 3).all()
    assert (found.standard_error < error * 3).all()


def test_interval_is_students() -> None:
    draws = regular(3, chains=5, draws=50)
    found = local_learning_coefficient(draws, level=0.8)
    chains = draws.nbeta * draws.excess_loss.mean("draw")
    for c in range(2):
        for n in range(2):
            values = chains.transpose("checkpoint", "n", "chain").values[c, n]
            low, high = student.interval(0.8, 4, values.mean(), values.std(ddof=1) / np.sqrt(5))
            cell = found.isel(checkpoint=c, n=n)
            assert float(cell.low) == pytest.approx(low, rel=1e-12)
            assert float(cell.high) == pytest.approx(high, rel=1e-12)
            assert int(cell.chains) == 5


def test_escaped_chains_are_counted_and_can_be_dropped() -> None:
    draws = regular(4, chains=5)
    fallen = draws.copy(deep=True)
    losses = fallen.excess_loss.values
    losses[0, 1, 2] = -1.0  # all draws of one chain below L(w*)
    losses[0, 1, 3, :120] = -1.0  # 3 per cent: allowed
    assert escaped(fallen).values[0, 1].tolist() == [False, False, True, False, False]
    kept = local_learning_coefficient(fallen, drop_escaped=True)
    everything = local_learning_coefficient(fallen)
    assert int(everything.escaped[0, 1]) == 1
    assert int(everything.escaped.sum()) == 1
    assert int(kept.chains[0, 1]) == 4
    stayed = fallen.isel(chain=[0, 1, 3, 4])
    np.testing.assert_allclose(
        kept.lambda_hat[0, 1], local_learning_coefficient(stayed).lambda_hat[0, 1]
    )
    assert float(everything.lambda_hat[0, 1]) < float(kept.lambda_hat[0, 1])
    np.testing.assert_array_equal(everything.lambda_hat[1], kept.lambda_hat[1])


def test_all_chains_escaped_is_not_a_number() -> None:
    draws = regular(2, chains=3)
    draws.excess_loss.values[:] = -1.0
    kept = local_learning_coefficient(draws, drop_escaped=True)
    assert np.isnan(kept.lambda_hat).all()
    assert (kept.chains == 0).all()
    assert len(llc_table(draws)) == 4


def test_one_chain_has_no_interval() -> None:
    found = local_learning_coefficient(regular(6, chains=1))
    np.testing.assert_allclose(found.lambda_hat, 3, atol=0.15)
    for name in ("standard_error", "low", "high"):
        assert np.isnan(found[name]).all()


def test_chain_order_does_not_matter() -> None:
    draws = regular(3)
    turned = draws.isel(chain=[3, 1, 5, 0, 2, 4])
    xr.testing.assert_allclose(
        local_learning_coefficient(draws), local_learning_coefficient(turned), rtol=1e-12
    )


def test_table() -> None:
    table = llc_table(regular(6))
    assert list(table["checkpoint"]) == [0, 0, 1, 1]
    assert list(table["n"]) == [100.0, 2000.0] * 2
    assert list(table["step"]) == [0, 0, 50, 50]
    assert list(table["loss_at_centre"]) == [0.5, 0.5, 0.25, 0.25]
    assert list(table["nbeta"]) == [20.0, 300.0] * 2
    wanted = {"lambda_hat", "standard_error", "low", "high", "chains", "escaped", "rhat"}
    wanted |= {"lambda_hat_stayed", "low_stayed", "chains_stayed", "acceptance", "distance"}
    assert wanted <= set(table.columns)
    found = local_learning_coefficient(regular(6)).lambda_hat.transpose("checkpoint", "n")
    np.testing.assert_allclose(table["lambda_hat"], found.values.ravel())


def test_a_chain_that_diverged_leaves_no_estimate() -> None:
    """However few of its draws are missing, and in its own posterior only."""
    draws = regular(3, draws=100)
    draws.excess_loss[0, 1, 2, 99] = np.nan
    for drop in (False, True):
        found = local_learning_coefficient(draws, drop_escaped=drop)
        lost = found.lambda_hat.isnull()
        assert bool(lost[0, 1])
        assert int(lost.sum()) == int(found.low.isnull().sum()) == 1

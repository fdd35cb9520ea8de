"""The statistics of figure 1's claims on tables with known answers."""

import numpy as np
import pandas as pd

from stagewise.findings.llc_deep_linear import multiplicity_slope
from stagewise.findings.llc_samplers import measure as measure_samplers
from stagewise.findings.llc_staircase import measure as measure_staircase
from stagewise.findings.llc_staircase import plateau_of


def network(multiplicity: int, tether: float, error: float, seed: int) -> pd.DataFrame:
    nbeta = np.array([1e3, 7e4, 5e6, 4e8])
    random = np.random.default_rng(seed)
    exact = 12 - (multiplicity - 1) / np.log(nbeta) - tether * nbeta ** (-1 / 3)
    return pd.DataFrame(
        {
            "nbeta": nbeta,
            "layers": 3,
            "aoyagi": 12.0,
            "lambda_hat": exact + error * random.standard_normal(4),
            "standard_error": error,
        }
    )


def test_multiplicity_is_read_off_the_approach():
    for multiplicity in (1, 2, 3):
        slopes = [multiplicity_slope(network(multiplicity, 2.0, 0.01, seed)) for seed in range(20)]
        assert abs(np.mean(slopes) - (multiplicity - 1)) < 0.15


def test_plateaus_are_told_from_transit():
    levels = [10.0, 4.0, 1.0, 0.0]
    assert plateau_of(10.05, levels) == 0
    assert plateau_of(3.95, levels) == 1
    assert plateau_of(2.5, levels) is None
    assert plateau_of(1e-9, levels) == 3


def staircase(rises: bool) -> dict[str, list[pd.DataFrame]]:
    loss = np.repeat([10.0, 4.0, 1.0], 5)
    lam = np.repeat([1.0, 2.0, 3.0] if rises else [1.0, 3.0, 2.0], 5)
    run = pd.DataFrame(
        {
            "step": np.arange(15),
            "loss": loss,
            "lambda_hat": lam,
            "standard_error": 0.05,
            "aoyagi": np.nan,
            "half_jacobian_rank": np.nan,
        }
    )
    plateaus = pd.DataFrame(
        {
            "rank": [0, 1, 2],
            "remaining_loss": [10.0, 4.0, 1.0],
            "lambda_hat": [1.0, 2.0, 3.0],
            "standard_error": 0.01,
            "aoyagi": [1.0, 2.0, 3.0],
            "half_jacobian_rank": 0.0,
        }
    )
    falling = run.assign(lambda_hat=-5.0 - 0.1 * np.arange(15))
    return {"gibbs": [run], "sgld": [run], "plain": [falling], "plateaus": [plateaus]}


def test_a_staircase_that_rises_is_told_from_one_that_does_not():
    _, up = measure_staircase(staircase(rises=True), {})
    assert up["staircase_gibbs_smallest_rise"].low > 0.9
    assert up["staircase_gibbs_spearman"].value == 1
    assert up["plain_on_saddles"].high < 0
    _, down = measure_staircase(staircase(rises=False), {})
    assert down["staircase_gibbs_smallest_rise"].high < -0.9
    assert down["staircase_gibbs_spearman"].value < 0.9


def test_the_largest_difference_between_samplers_is_found():
    def table(values: list[float]) -> list[pd.DataFrame]:
        columns = {"network": [0, 1], "lambda_hat": values, "standard_error": 1e-6}
        rest = dict.fromkeys(
            ["widths", "rank", "half_jacobian_rank", "n", "low", "high", "acceptance", "rhat"], 1
        )
        return [pd.DataFrame({**columns, **rest, "ess_bulk": 100})]

    inputs = {
        "sgld": table([10.2, 20.0]),
        "mala": table([10.0, 20.0]),
        "gibbs": table([10.0, 20.0]),
        "minibatch": table([10.0, 18.0]),
    }
    _, found = measure_samplers(inputs, {})
    assert abs(found["sgld_mala_difference_max"].value - 0.02) < 1e-4
    assert abs(found["minibatch_mala_difference_max"].value - 0.10) < 1e-4
    assert found["mala_gibbs_difference_max"].value < 1e-4

"""The statistics of figure 2's claims on tables with known answers."""

import numpy as np
import pytest

from stagewise.findings.mdl_code import MODELS, fitted
from stagewise.findings.mdl_code import measure as measure_code
from stagewise.findings.measured import Measured


def test_fits_find_their_own_coefficients() -> None:
    log_n = np.log(2.0 ** np.arange(6, 19))
    columns = [log_n, np.log(log_n)]
    values = np.stack([3 + 0.5 * log_n - np.log(log_n), 0.25 * log_n], axis=1)
    np.testing.assert_allclose(fitted(columns, values), [[0.5, 0.25], [-1, 0]], atol=1e-9)


@pytest.fixture(scope="module")
def code() -> dict[str, Measured]:
    settings = {"data_sets": 300, "smallest": 6, "largest": 14, "seed": 900, "repeats": 100}
    return measure_code({}, settings)[1]


def test_codes_have_the_slopes_of_theory(code: dict[str, Measured]) -> None:
    for name in MODELS:
        found = code[f"code_exact_slope_{name}"]
        assert found.low < found.value < found.high
        assert abs(found.value) < 0.1
        assert abs(code[f"code_over_mixture_slope_{name}"].value) < 0.03
    assert abs(code["code_two_part_slope_mean"].value) < 0.1
    assert code["code_slope_without_column_product"].value < -0.05


def test_the_regular_code_is_right_for_regular_models_only(code: dict[str, Measured]) -> None:
    assert abs(code["code_regular_slope_power1"].value) < 0.1
    for name in ("power2", "power3", "product", "square"):
        assert code[f"code_regular_slope_{name}"].low > 0.5


def test_shuffled_sizes_have_no_slope(code: dict[str, Measured]) -> None:
    for name in MODELS:
        assert abs(code[f"code_shuffled_slope_{name}"].value) < 0.15


def test_code_lengths_keep_within_their_bounds(code: dict[str, Measured]) -> None:
    assert code["code_kraft_excess_max"].value < 1e-9
    assert code["code_redundancy_min"].value > 0
    assert code["code_excess_max"].value < 5

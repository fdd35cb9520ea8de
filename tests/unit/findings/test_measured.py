"""Measured statistics: intervals that cover, files that come back."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from stagewise.artifacts import ArtifactError
from stagewise.findings import measured
from stagewise.findings.measured import (
    Measured,
    bootstrap,
    exact,
    jackknife,
    mean_of,
    rank_correlation,
    share_of,
    simulated,
)


def test_mean_covers_as_often_as_it_says() -> None:
    """2000 samples of 4 normals: 90 per cent, standard error 0.7 per cent, within four of them.
    A normal quantile in place of Student's would cover 82 per cent."""
    samples = np.random.default_rng(0).standard_normal((2000, 4)) + 3
    found = [mean_of(sample) for sample in samples]
    covered = np.mean([m.low <= 3 <= m.high for m in found if m.low is not None and m.high])
    assert abs(covered - 0.9) < 4 * (0.09 / 2000) ** 0.5
    assert found[0].n == 4


def test_mean_of_one_has_no_interval_that_could_decide() -> None:
    found = mean_of([2.0])
    assert found.value == 2
    assert found.n == 1
    assert found.doubt == "one value has no interval"


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (540, 600)])
def test_shares_are_clopper_pearson(hits: int, n: int) -> None:
    """The ends are where the observed count becomes a one-sided 5 per cent event."""
    found = share_of(hits, n)
    assert found.value == hits / n
    assert found.low is not None
    assert found.high is not None
    if hits:
        assert binom.sf(hits - 1, n, found.low) == pytest.approx(0.05, rel=1e-6)
    else:
        assert found.low == 0
    if hits < n:
        assert binom.cdf(hits, n, found.high) == pytest.approx(0.05, rel=1e-6)
    else:
        assert found.high == 1


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(1).standard_normal(200)
    found = bootstrap(lambda chosen: float(values[chosen].mean()), 200, seed=0)
    half = 1.645 * values.std() / 200**0.5
    assert found.value == pytest.approx(values.mean(), rel=1e-12)
    assert found.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.15 * half)
    again = bootstrap(lambda chosen: float(values[chosen].mean()), 200, seed=0)
    assert found == again


def test_simulated_redraws_within_the_errors() -> None:
    found = simulated(lambda values: float(values[0]), [5.0, 1.0], [2.0, 0.1], seed=0)
    assert found.value == 5
    # the quantiles of 2000 normals have standard errors of about 0.1
    assert found.low == pytest.approx(5 - 1.645 * 2, abs=0.3)
    assert found.high == pytest.approx(5 + 1.645 * 2, abs=0.3)


def test_rank_correlation() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 25, 1000]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
    assert math.isnan(rank_correlation([1], [2]))


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    found = {"b": exact(0.5, n=3), "a": Measured(1.0, 0.5, 2.0, n=7, doubt="two seeds")}
    measured.save(path, found, {"seed": 1})
    assert measured.load(path) == found
    path.write_text(path.read_text()[:50])
    with pytest.raises(ArtifactError, match=r"measured\.json cannot be read"):
        measured.load(path)
    with pytest.raises(ArtifactError):
        measured.load(tmp_path / "absent.json")


def test_half_an_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="both or neither"):
        Measured(1.0, low=0.5)


def test_the_jackknife_of_a_mean_is_its_student_interval() -> None:
    values = np.random.default_rng(0).standard_normal(30)
    found = jackknife(lambda some: float(values[some].mean()), 30)
    expected = mean_of(values)
    assert found.value == pytest.approx(expected.value)
    assert found.low == pytest.approx(expected.low)
    assert found.high == pytest.approx(expected.high)

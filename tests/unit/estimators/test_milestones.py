"""Known steps, known slopes, and noise without any."""

import numpy as np
import pytest

from stagewise.estimators.milestones import fit_curve, milestones, stages

STEPS = np.unique(np.r_[0, np.geomspace(2, 5000, 40).round()])
X = np.log1p(STEPS)


def _staircase(*rises: tuple[float, float]) -> np.ndarray:
    """Smooth rises (or falls) of given heights at given steps."""
    return sum(height / (1 + np.exp(-2.5 * (X - np.log1p(at)))) for at, height in rises)


def test_slope_is_the_derivative_of_the_mean() -> None:
    fit = fit_curve(STEPS, np.sin(X), restarts=0)
    assert fit.mean == pytest.approx(np.sin(fit.log_step), abs=1e-3)
    inner = slice(10, -10)
    assert fit.slope[inner] == pytest.approx(np.cos(fit.log_step)[inner], abs=0.02)
    numerical = np.gradient(fit.mean, fit.log_step)
    assert fit.slope[inner] == pytest.approx(numerical[inner], abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_stages_are_found(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(len(STEPS))
    curve = _staircase((5, 40), (200, 80), (2500, -40)) + noise
    found = stages(fit_curve(STEPS, curve, np.ones(len(STEPS)), restarts=1), 0.05 * np.ptp(curve))
    assert [stage.kind for stage in found] == ["A", "A", "B"]
    first, second = milestones(found)
    assert 20 < first < 200  # the plateau between the rises
    assert 400 < second < 1600  # the maximum
    assert sum(stage.change for stage in found) == pytest.approx(curve[-1] - curve[0], abs=4)
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(5000)


def test_noise_makes_no_stages() -> None:
    counts = []
    for seed in range(10):
        values = 40 + np.random.default_rng(seed).standard_normal(len(STEPS))
        fit = fit_curve(STEPS, values, np.ones(len(STEPS)), restarts=0)
        counts.append(len(stages(fit, 0.05 * np.ptp(values))))
    assert sum(count > 0 for count in counts) <= 2


def test_a_constant_has_no_stages_and_a_line_has_one() -> None:
    assert stages(fit_curve(STEPS, np.full(len(STEPS), 3.0), restarts=0), 0.01) == []
    (only,) = stages(fit_curve(STEPS, 2 * X, restarts=0), 0.5)
    assert (only.kind, only.change) == ("A", pytest.approx(2 * np.ptp(X), rel=1e-3))
    assert milestones([only]) == []


def test_stages_do_not_depend_on_the_unit_of_the_curve() -> None:
    curve = _staircase((5, 40), (200, 80), (2500, -40))
    small, large = (
        stages(fit_curve(STEPS, scale * curve + shift, restarts=0), 0.05 * scale * np.ptp(curve))
        for scale, shift in ((1, 0), (1e-3, 7))
    )
    assert milestones(small) == pytest.approx(milestones(large), rel=0.02)

"""Exact predictors of linear regression in context: known values, limits, other algebra."""

import numpy as np
import pytest
from scipy.special import exp1

from stagewise.theory.in_context_regression import (
    bayes_loss,
    ridge_predictions,
    task_set_predictions,
    zero_loss,
)

NOISE = 0.125


def sequences(samples: int, dimension: int, examples: int, seed: int = 0, tasks=None):
    random = np.random.default_rng(seed)
    x = random.standard_normal((samples, examples, dimension))
    if tasks is None:
        task = random.standard_normal((samples, dimension))
    else:
        task = tasks[random.integers(len(tasks), size=samples)]
    noise = random.standard_normal((samples, examples)) * NOISE**0.5
    return x, np.einsum("skd,sd->sk", x, task) + noise


@pytest.mark.parametrize(("dimension", "wanted"), [(4, 1.66), (2, 0.66)])
def test_bayes_loss_of_the_settings_of_the_paper(dimension: int, wanted: float) -> None:
    found = bayes_loss(dimension, 8, NOISE, samples=20_000, seed=0)
    assert found.error < 0.003
    assert found.mean == pytest.approx(wanted, abs=0.015)  # known to two digits
    assert found.mean == pytest.approx(found.tokens.mean())
    assert (np.diff(found.tokens) < 0).all()


def test_first_two_tokens_have_closed_forms() -> None:
    found = bayes_loss(2, 8, NOISE, samples=100_000, seed=1)
    assert found.tokens[0] == pytest.approx(zero_loss(2, NOISE), rel=1e-12)
    # One input x in the plane, |x|^2 / 2 exponential: v tr = 1 + E[v / (v + |x|^2)].
    second = NOISE + 1 + NOISE / 2 * np.exp(NOISE / 2) * exp1(NOISE / 2)
    assert abs(found.tokens[1] - second) < 4 * found.token_errors[1]
    assert found.token_errors[1] < 1e-3


def test_ridge_reaches_the_bayes_loss() -> None:
    x, y = sequences(20_000, 3, 6)
    errors = ((ridge_predictions(x, y, NOISE) - y) ** 2).mean(1)
    wanted = bayes_loss(3, 6, NOISE, samples=20_000, seed=0)
    spread = np.hypot(errors.std() / len(errors) ** 0.5, wanted.error)
    assert abs(errors.mean() - wanted.mean) < 4 * spread


def test_ridge_is_least_squares_with_a_penalty() -> None:
    x, y = sequences(3, 4, 7)
    found = ridge_predictions(x, y, NOISE)
    assert (found[:, 0] == 0).all()
    for s in range(3):
        for k in range(1, 7):
            rows = np.vstack([x[s, :k], NOISE**0.5 * np.eye(4)])
            task = np.linalg.lstsq(rows, np.append(y[s, :k], np.zeros(4)), rcond=None)[0]
            assert found[s, k] == pytest.approx(task @ x[s, k], rel=1e-9)


def test_zero_predictor() -> None:
    assert zero_loss(2, NOISE) == 2.125
    assert zero_loss(2, NOISE, input_variance=10) == 20.125


def test_a_set_of_one_task_is_known_at_once() -> None:
    x, y = sequences(5, 3, 4)
    task = np.array([[1.0, -2.0, 0.5]])
    np.testing.assert_allclose(task_set_predictions(x, y, task, NOISE), x @ task[0])


def test_two_tasks_are_weighed_by_the_odds() -> None:
    x, y = sequences(4, 2, 5)
    tasks = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = task_set_predictions(x, y, tasks, NOISE)
    errors = (y[..., None] - x @ tasks.T) ** 2 / (2 * NOISE)
    for k in range(5):
        odds = np.exp(errors[:, :k, 0].sum(1) - errors[:, :k, 1].sum(1))
        wanted = (x[:, k, 0] + odds * x[:, k, 1]) / (1 + odds)
        np.testing.assert_allclose(found[:, k], wanted, rtol=1e-10)


def test_weights_far_in_the_tail_do_not_vanish() -> None:
    x, y = sequences(4, 2, 5)
    assert np.isfinite(task_set_predictions(x, y + 1e3, np.eye(2), NOISE)).all()


def test_many_tasks_become_ridge() -> None:
    x, y = sequences(25, 2, 4)
    tasks = np.random.default_rng(1).standard_normal((100_000, 2))
    gap = task_set_predictions(x, y, tasks, NOISE) - ridge_predictions(x, y, NOISE)
    assert (gap**2).mean() ** 0.5 < 0.02
    few = task_set_predictions(x, y, tasks[:100], NOISE) - ridge_predictions(x, y, NOISE)
    assert (few**2).mean() > 20 * (gap**2).mean()


@pytest.mark.parametrize("size", [4, 16])
def test_each_predictor_is_best_on_its_own_tasks(size: int) -> None:
    tasks = np.random.default_rng(2).standard_normal((size, 2))

    def gap(tasks_of_data) -> tuple[float, float]:
        x, y = sequences(4000, 2, 8, seed=3, tasks=tasks_of_data)
        ridge = (ridge_predictions(x, y, NOISE) - y) ** 2
        of_set = (task_set_predictions(x, y, tasks, NOISE) - y) ** 2
        difference = (ridge - of_set).mean(1)
        return difference.mean(), difference.std() / 4000**0.5

    inside, error = gap(tasks)
    assert inside > 4 * error
    outside, error = gap(None)
    assert outside < -4 * error

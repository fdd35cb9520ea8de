"""Data, scores and parts of the in-context regression testbed."""

from typing import Any

import numpy as np
import pytest
import torch

from stagewise.models import regression_transformer
from stagewise.settings import SettingsError
from stagewise.testbeds import in_context_regression
from stagewise.testbeds.testbed import Testbed
from stagewise.theory.in_context_regression import bayes_loss, ridge_predictions

SMALL = {"dimension": 2, "examples": 4, "width": 8, "mlp": 8, "train": 512, "test": 256}


def made(seed: int = 0, **settings: Any) -> Testbed:
    return in_context_regression.build(SMALL | settings, seed)


def fresh(testbed: Testbed) -> dict[str, torch.Tensor]:
    assert testbed.initial is not None
    return testbed.initial(torch.Generator().manual_seed(0))


def scores(testbed: Testbed, w: dict[str, torch.Tensor]) -> dict[str, float]:
    assert testbed.behaviour is not None
    return testbed.behaviour(w)


def test_sequences_are_regressions_with_that_noise() -> None:
    data = made(train=40_000, noise_variance=0.25).data
    x, y = data["x"].double(), data["y"].double()
    assert x.shape == (40_000, 4, 2)
    # y^2 has mean D + sigma^2 and, as a product of normals, a spread of a few.
    assert float(y.square().mean()) == pytest.approx(2.25, abs=0.06)
    assert float(x.var()) == pytest.approx(1.0, abs=0.02)
    best = (ridge_predictions(x.numpy(), y.numpy(), 0.25) - y.numpy()) ** 2
    wanted = bayes_loss(2, 4, 0.25, samples=20_000, seed=0)
    assert abs(best.mean() - wanted.mean) < 4 * best.mean(1).std() / 200


def test_finite_sets_of_tasks_are_nested() -> None:
    few, more = made(tasks=2, noise_variance=1e-12), made(tasks=40, noise_variance=1e-12)

    def tasks(testbed: Testbed) -> np.ndarray:
        x, y = testbed.data["x"].double(), testbed.data["y"].double()
        found = torch.linalg.lstsq(x, y[..., None]).solution[..., 0]
        well = torch.linalg.cond(x) < 10
        return np.unique(found[well].numpy().round(3), axis=0)

    assert len(tasks(few)) == 2
    assert len(tasks(more)) == 40
    assert {tuple(task) for task in tasks(few)} < {tuple(task) for task in tasks(more)}


def test_the_seed_decides_and_held_out_sequences_are_others() -> None:
    one, same, other = made(1), made(1), made(2)
    assert torch.equal(one.data["x"], same.data["x"])
    assert not torch.equal(one.data["x"], other.data["x"])
    assert not torch.equal(one.data["x"][:256], one.evaluation["x"])
    assert one.reported is one.evaluation


def test_the_loss_of_a_sequence_is_the_mean_of_its_tokens() -> None:
    testbed = made()
    w, test = fresh(testbed), testbed.observables["test"]
    tokens = test.losses(w, {}, test.data)
    assert tokens.shape == (256, 4)
    torch.testing.assert_close(testbed.losses(w, {}, test.data), tokens.mean(1))


def test_scores_of_a_model_that_predicts_zero() -> None:
    testbed = made(test=20_000)
    w = fresh(testbed)
    w["unembed"] = w["unembed"] * 0
    found = scores(testbed, w)
    assert found["mean_square_prediction"] == 0
    assert abs(found["icl"]) < 0.15
    for k in range(1, 5):
        assert found[f"loss_{k}"] == pytest.approx(2.125, abs=0.15)
    for g in (1, 3, 10, 30, 100):
        assert found[f"ood_loss_{g}"] == pytest.approx(1.0, abs=0.06)
    wanted = 2.125 - bayes_loss(2, 4, 0.125, samples=20_000, seed=0).mean
    assert abs(found["excess"] - wanted) < 5 * found["excess_error"]
    loss = float(testbed.losses(w, {}, testbed.evaluation).mean())
    assert loss == pytest.approx(found["bayes_loss"] + found["excess"], rel=1e-5)


@pytest.mark.parametrize("tasks", [None, 3])
def test_no_model_is_better_than_the_bayes_predictor(tasks: int | None) -> None:
    """The score compares with the predictor of the right tasks: the other one loses to it."""
    testbed = made(tasks=tasks, test=4000)
    best = scores(testbed, fresh(testbed))["bayes_loss"]
    x, y = (testbed.evaluation[name].numpy() for name in ("x", "y"))
    ridge = float(((ridge_predictions(x, y, 0.125) - y) ** 2).mean())
    if tasks is None:
        assert best == pytest.approx(ridge, rel=1e-6)
    else:
        assert best < ridge - 0.05


def test_scores_of_weights() -> None:
    testbed = made()
    w = fresh(testbed)
    w["layer1.norm.scale"] = torch.tensor([1.0, 0.05, -0.05, 0.0, 0.2, 1.0, 1.0, 1.0])
    w["positions"] = torch.eye(8)
    w["embed"] = torch.ones(3, 8)
    found = scores(testbed, w)
    assert found["norm_small_share layer1.norm"] == 3 / 8
    assert found["norm_small_share norm"] == 0
    assert found["effective_rank positions"] == pytest.approx(8)
    assert found["effective_rank embed"] == pytest.approx(1, abs=1e-5)


def test_a_fresh_model_predicts_something() -> None:
    """Else a fall to the task prior could not be seen: seeds of their own, not those of a run."""
    for seed in range(900, 910):
        testbed = made(seed, width=32, mlp=32, examples=8)
        assert testbed.initial is not None
        w = testbed.initial(torch.Generator().manual_seed(seed))
        assert scores(testbed, w)["mean_square_prediction"] >= 1


def test_outputs_are_all_predictions_on_a_fixed_batch() -> None:
    testbed = made()
    assert testbed.outputs is not None
    found = testbed.outputs(fresh(testbed))
    assert found.shape == (256 * 4,)
    assert torch.equal(found, testbed.outputs(fresh(testbed)))


def test_components_are_those_of_the_model() -> None:
    testbed = made()
    assert set(testbed.components) == set(regression_transformer.masks(fresh(testbed)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 3}, "model.heads: 3 do not divide the width 8"),
        ({"dimension": 5}, "model.examples: must be at least 2 and the dimension 5, got 4"),
        ({"noise_variance": 0.0}, "model.noise_variance: must be positive"),
        ({"tasks": 0}, "model.tasks: must be at least 1"),
        ({"unembedding": 0.0}, "model.unembedding: must be positive"),
        ({"test": 1}, "model.test: must be at least 2"),
        ({"train": 0}, "model.train: must be at least 1"),
        ({"depth": 2}, "model.depth: unknown setting"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        made(**settings)

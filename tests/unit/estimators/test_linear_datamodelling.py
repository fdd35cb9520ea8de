"""The linear datamodelling score."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from stagewise.estimators.linear_datamodelling import datamodelling_scores, predicted


@pytest.fixture
def losses():
    random = np.random.default_rng(0)
    true = random.normal(size=(14, 6))
    return true + random.normal(size=(14, 6)), true


def test_is_the_mean_of_spearmans_correlations(losses):
    found, true = losses
    wanted = np.mean([spearmanr(found[:, q], true[:, q]).statistic for q in range(6)])
    assert datamodelling_scores(found, true, np.ones((1, 14))) == pytest.approx([wanted])


def test_weights_are_copies(losses):
    found, true = np.round(losses, 1)  # with ties
    counts = np.random.default_rng(1).multinomial(14, np.full(14, 1 / 14), size=5)
    wanted = []
    for row in counts:
        places = np.repeat(np.arange(14), row)
        again = [spearmanr(found[places, q], true[places, q]).statistic for q in range(6)]
        wanted.append(np.mean(again))
    assert datamodelling_scores(found, true, counts) == pytest.approx(wanted)


def test_does_not_change_under_monotone_maps(losses):
    found, true = losses
    one = datamodelling_scores(found, true, np.ones((1, 14)))
    assert datamodelling_scores(np.exp(found), 3 * true - 1, np.ones((1, 14))) == pytest.approx(one)


def test_additive_losses_score_one():
    random = np.random.default_rng(2)
    tau, member = random.normal(size=(30, 4)), random.random((12, 30)) < 0.5
    true = np.stack([tau[chosen].sum(0) for chosen in member])
    assert predicted(tau, member) == pytest.approx(true)
    assert datamodelling_scores(predicted(tau, member), true, np.ones((1, 12))) == pytest.approx(1)
    assert datamodelling_scores(-predicted(tau, member), true, np.ones((1, 12))) == pytest.approx(
        -1
    )


def test_constant_queries_are_left_out(losses):
    found, true = losses
    wanted = datamodelling_scores(found, true, np.ones((1, 14)))
    more = np.column_stack([found, np.zeros(14)]), np.column_stack([true, found[:, 0]])
    assert datamodelling_scores(*more, np.ones((1, 14))) == pytest.approx(wanted)
    nothing = datamodelling_scores(np.zeros((14, 1)), true[:, :1], np.ones((1, 14)))
    assert np.isnan(nothing).all()


def test_shapes_must_agree(losses):
    with pytest.raises(ValueError, match="shapes differ"):
        datamodelling_scores(losses[0], losses[1][:, :3], np.ones((1, 14)))

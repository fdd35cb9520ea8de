"""Areas under the curve, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stagewise.estimators.separation import auc, folded_auc


def test_is_the_library_s() -> None:
    random = np.random.default_rng(0)
    scores, chosen = random.integers(0, 20, 200), random.random(200) < 0.3
    assert auc(scores, chosen) == pytest.approx(roc_auc_score(chosen, scores))


def test_by_hand() -> None:
    assert auc([3, 1, 2], [True, False, False]) == 1
    assert auc([1, 2, 3], [True, False, False]) == 0
    assert folded_auc([1, 2, 3], [True, False, False]) == 1
    assert auc([1, 1], [True, False]) == 0.5


def test_one_kind_alone_has_none() -> None:
    assert np.isnan(auc([1, 2], [True, True]))
    assert np.isnan(folded_auc([1, 2], [False, False]))

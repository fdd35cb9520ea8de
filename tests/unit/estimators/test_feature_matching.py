"""Features against sets of tokens."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stagewise.estimators.feature_matching import alike, best_f1

random = np.random.default_rng(0)


def test_best_f1_is_that_of_trying_all_thresholds() -> None:
    values = np.maximum(random.standard_normal((60, 5)), 0).round(1)
    values[:, 4] = 0
    sets = random.random((3, 60)) < 0.3
    found = best_f1(values, sets)
    for place, members in enumerate(sets):
        for feature in range(4):
            levels = np.unique(values[:, feature])[:-1]
            expected = max(f1_score(members, values[:, feature] > level) for level in levels)
            assert found[place, feature] == pytest.approx(expected)
    assert (found[:, 4] == 0).all()


def test_a_feature_that_is_the_set_has_one() -> None:
    members = random.random(40) < 0.4
    assert best_f1(members[:, None] * random.uniform(1, 2, (40, 1)), members[None])[0, 0] == 1


def test_random_sets_have_the_strings_of_the_set() -> None:
    strings = random.integers(0, 6, 200)
    members = (random.random(200) < 0.3) & (strings < 4)
    found = alike(members, strings, np.random.default_rng(1))
    assert (np.bincount(strings[found], minlength=6) == np.bincount(
        strings[members], minlength=6)).all()  # fmt: skip
    assert (found != members).any()
    assert (found != alike(members, strings, np.random.default_rng(2))).any()

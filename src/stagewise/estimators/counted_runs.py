"""Whether features of spacing tokens tell how many came directly before (2508.00331)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = NDArray[np.float64]

FOLDS = 5
PENALTIES = tuple(float(value) for value in np.logspace(-2, 5, 15))
"""Of the ridge, among which each fit chooses by leaving out single tokens."""


def run_lengths(spacing: ArrayLike) -> NDArray[np.int64]:
    """How many tokens directly before each are spacing, of a boolean (sequence, token)."""
    found = np.asarray(spacing, dtype=bool)
    lengths = np.zeros(found.shape, dtype=np.int64)
    for place in range(1, found.shape[1]):
        lengths[:, place] = np.where(found[:, place - 1], lengths[:, place - 1] + 1, 0)
    return lengths


def foretold(features: ArrayLike, lengths: ArrayLike, sequences: ArrayLike) -> Array:
    """Run lengths (token,) that a ridge regression on the other sequences foretells from features
    (token, feature)."""
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    folds = GroupKFold(FOLDS)
    return np.asarray(
        cross_val_predict(
            model,
            np.asarray(features, dtype=np.float64),
            np.asarray(lengths, dtype=np.float64),
            groups=np.asarray(sequences),
            cv=folds,
        )
    )


def direction(features: ArrayLike, lengths: ArrayLike) -> Array:
    """Coefficients (feature,) of the ridge regression on all tokens, for features as they are."""
    found = np.asarray(features, dtype=np.float64)
    scale = StandardScaler().fit(found)
    model = RidgeCV(PENALTIES).fit(scale.transform(found), np.asarray(lengths, dtype=np.float64))
    return np.asarray(model.coef_ / scale.scale_)


def share_within(features: ArrayLike, coefficients: ArrayLike, axes: Sequence[int]) -> float:
    """Share of a linear functional's variance over tokens that lies along some principal axes.

        f = X b,   share = sum_{k in axes} v_k (e_k b)^2 / sum_k v_k (e_k b)^2

    v_k and e_k the variances and axes of X (token, feature), counted from 0.
    """
    found = np.asarray(features, dtype=np.float64)
    found = found - found.mean(0)
    _, values, vectors = np.linalg.svd(found, full_matrices=False)
    parts = (values * (vectors @ np.asarray(coefficients, dtype=np.float64))) ** 2
    return float(parts[list(axes)].sum() / parts.sum())

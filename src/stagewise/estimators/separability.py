"""How well labels of tokens can be told from their features, without a map of them.

Folds keep sequences whole: tokens of one sequence share a context, and a token must not be
recognised by its neighbours in the text.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

FOLDS = 5


def equal_parts(labels: ArrayLike, *, seed: int) -> Labels:
    """Places of tokens of which each label has as many as the rarest, in ascending order."""
    label, random = np.asarray(labels), np.random.default_rng(seed)
    names, counts = np.unique(label, return_counts=True)
    parts = [
        random.choice(np.flatnonzero(label == name), counts.min(), replace=False) for name in names
    ]
    return np.sort(np.concatenate(parts))


def neighbour_labels(
    features: ArrayLike, labels: ArrayLike, sequences: ArrayLike, *, neighbours: int = 15
) -> Labels:
    """The label that most of each token's nearest neighbours in other folds have, (token,).

    features  (token, feature), on the scale that distances are to be taken on
    """
    found, label = np.asarray(features, dtype=np.float64), np.asarray(labels)
    guessed = np.empty_like(label)
    for train, test in _folds(label, sequences):
        model = KNeighborsClassifier(neighbours).fit(found[train], label[train])
        guessed[test] = model.predict(found[test])
    return np.asarray(guessed)


def logistic_scores(features: ArrayLike, chosen: ArrayLike, sequences: ArrayLike) -> Array:
    """Log odds (token,) of being one of the chosen, from a linear logistic fit to other folds in
    which the chosen and the others weigh the same."""
    found, member = np.asarray(features, dtype=np.float64), np.asarray(chosen).astype(int)
    scores = np.empty(len(found))
    for train, test in _folds(member, sequences):
        scale = StandardScaler().fit(found[train])
        model = LogisticRegression(class_weight="balanced", solver="newton-cholesky")
        model.fit(scale.transform(found[train]), member[train])
        scores[test] = model.decision_function(scale.transform(found[test]))
    return scores


def balanced_accuracy(
    labels: ArrayLike, guessed: ArrayLike, weights: ArrayLike | None = None
) -> Array:
    """Mean over labels of the share of their tokens that was guessed.

    weights  (repeat, token), how often a token counts
    returns  one value a repeat, or one for all tokens once; labels that a repeat has no token of
             are left out of its mean
    """
    label = np.asarray(labels)
    right = (np.asarray(guessed) == label).astype(np.float64)
    w = np.ones((1, len(label))) if weights is None else np.asarray(weights, dtype=np.float64)
    member = (label[:, None] == np.unique(label)).astype(np.float64)
    counts = w @ member
    shares = np.divide(
        (w * right) @ member, counts, out=np.full_like(counts, np.nan), where=counts > 0
    )
    return np.asarray(np.nanmean(shares, axis=1))


def _folds(labels: NDArray[np.int64], sequences: ArrayLike) -> Iterator[tuple[Labels, Labels]]:
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    yield from split.split(np.zeros(len(labels)), labels, np.asarray(sequences))

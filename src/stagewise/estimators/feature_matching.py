"""How well single features pick out sets of tokens: F1 scores, and sets as a null."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def best_f1(activations: ArrayLike, sets: ArrayLike) -> Array:
    """Largest F1 = 2 |S and A| / (|S| + |A|) of each set with each feature, (set, feature).

    A are the tokens whose activation exceeds a threshold, the best of all that are not negative;
    0 for features that are nowhere active.

    activations  (token, feature), not negative
    sets         boolean (set, token)
    """
    values, members = np.asarray(activations, dtype=float), np.asarray(sets, dtype=bool)
    sizes = members.sum(1)
    found = np.zeros((len(members), values.shape[1]))
    for feature in np.flatnonzero(values.max(0) > 0):
        column = values[:, feature]
        order = np.argsort(-column, kind="stable")[: int((column > 0).sum())]
        ends = np.append(np.diff(column[order]) != 0, True)  # equal activations come together
        hits = members[:, order].cumsum(1)[:, ends]
        counts = np.flatnonzero(ends) + 1
        found[:, feature] = (2 * hits / (sizes[:, None] + counts)).max(1)
    return found


def alike(members: ArrayLike, strings: ArrayLike, random: np.random.Generator) -> NDArray[np.bool_]:
    """A random set (token,) with as many tokens of every string (token,) as `members` (token,)."""
    wanted, names = np.asarray(members, dtype=bool), np.asarray(strings)
    found = np.zeros(len(names), dtype=bool)
    for string in np.unique(names[wanted]):
        places = np.flatnonzero(names == string)
        found[random.choice(places, int(wanted[places].sum()), replace=False)] = True
    return found

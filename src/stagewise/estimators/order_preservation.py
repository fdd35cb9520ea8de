"""How often estimates order pairs of models as the truth does."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def order_preservation(estimates: NDArray[Any], truths: NDArray[Any]) -> float:
    """Share of pairs with different truths that the estimates order as the truths are.

    Hitchcock and Hoogland 2025 (2507.21449), order preservation rate. Both (model,). Estimates
    that are not numbers order nothing; without any pair of different truths, not a number.
    """
    first, second = np.triu_indices(len(truths), 1)
    wanted = np.sign(truths[first] - truths[second])
    found = np.sign(estimates[first] - estimates[second])
    decided = (found == wanted)[wanted != 0]
    return float(decided.mean()) if decided.size else float("nan")

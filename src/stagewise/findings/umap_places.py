"""Maps of points in two dimensions, for figures."""

import warnings

import numpy as np
from numpy.typing import NDArray


def umap_places(
    points: NDArray[np.float64], *, neighbours: int, closest: float = 0.1, state: int = 0
) -> NDArray[np.float64]:
    """Places (point, 2) by UMAP (McInnes et al. 2018, 1802.03426) of points (point, feature), of
    which none are closer than `closest`; always the same of the same points and `state`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not there without tensorflow, or of one thread
        from umap import UMAP  # takes seconds

        model = UMAP(
            n_neighbors=min(neighbours, len(points) - 1),
            min_dist=closest,
            random_state=state,
            n_jobs=1,
        )
        places: NDArray[np.float64] = model.fit_transform(points)
    return places

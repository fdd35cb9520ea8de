"""Maps of points in two dimensions, for figures."""

import warnings

import numpy as np
from numpy.typing import NDArray


def umap_places(points: NDArray[np.float64], *, neighbours: int) -> NDArray[np.float64]:
    """Places (point, 2) by UMAP of points (point, feature), always the same of the same points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not there without tensorflow
        from umap import UMAP  # takes seconds

        model = UMAP(n_neighbors=min(neighbours, len(points) - 1), random_state=0)
        places: NDArray[np.float64] = model.fit_transform(points)
    return places

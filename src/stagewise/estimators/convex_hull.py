"""Polygons by their convex hull, as Chen et al. 2023 classify posterior samples."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull, QhullError


def hull_vertices(columns: ArrayLike, *, shortest: float) -> int:
    """Vertices of the convex hull of the columns of W that are not short.

    columns   (2, c)
    shortest  columns below this length are dropped
    returns   a count; 0 where fewer than three columns are left or they lie on a line
    """
    points = np.asarray(columns, dtype=float).T  # (c, 2)
    points = points[np.linalg.norm(points, axis=1) >= shortest]
    if len(points) < 3:
        return 0
    try:
        return len(ConvexHull(points).vertices)
    except QhullError:
        return 0

"""Which steps of a run become checkpoints."""

import numpy as np


def checkpoint_steps(steps: int, *, linear: int, logarithmic: int) -> list[int]:
    """Sorted distinct steps: 0, `linear` evenly spaced and `logarithmic` log-spaced, up to `steps`.

    Development is fast early and slow late: the log-spaced steps show the one, the linear the
    other. The last step is always included.
    """
    even = np.linspace(0, steps, linear + 1).round() if linear else np.array([steps])
    log = np.geomspace(1, steps, logarithmic).round() if logarithmic else np.array([])
    return sorted({0, steps, *map(int, even), *map(int, log)})

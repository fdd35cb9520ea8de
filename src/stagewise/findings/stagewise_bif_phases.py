"""Influence at a transition between two phases: a peak, and a change of sign, by quadrature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.measured import Measured, exact
from stagewise.theory.double_well import mixture


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Claim C1 of Lee et al. (2510.12071): the posterior as a mixture of phases.

    table    one row per control r: share, total, within, between
    returns  phases_identity_max      |total - within - between|, largest
             phases_fixed_peak_share  share at which the between-phase term, with the phases' means
                                      as they are at equal shares, is largest in size
             phases_peak_share        share at which it is largest in size
             phases_outweighs         size of the between-phase term over that of the other, there
             phases_sign_changes      how often the covariance changes its sign
    """
    controls = np.linspace(0, settings["most"], settings["points"])
    found = [mixture(r, nbeta=settings["nbeta"]) for r in controls]
    table = pd.DataFrame(found).assign(r=controls)
    middle = int((table.share - 0.5).abs().argmin())
    means = table.between[middle] / (table.share[middle] * (1 - table.share[middle]))
    fixed = (means * table.share * (1 - table.share)).abs()
    peak = int(table.between.abs().argmax())
    n = len(table)
    changes = int((np.diff(np.sign(table.total)) != 0).sum())
    return table, {
        "phases_identity_max": exact(
            float((table.total - table.within - table.between).abs().max()), n
        ),
        "phases_fixed_peak_share": exact(float(table.share[int(fixed.argmax())]), n),
        "phases_peak_share": exact(float(table.share[peak]), n),
        "phases_outweighs": exact(float(abs(table.between[peak] / table.within[peak])), n),
        "phases_sign_changes": exact(changes, n),
    }

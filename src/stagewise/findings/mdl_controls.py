"""Controls of figure 2: matrices of the same sizes that have learned nothing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.measured import Measured, exact

ESTIMATES = ("fixed", "permuted", "gaussian")
"""Inputs that are LLC tables of draws."""
CONTROLS = ("permuted", "gaussian")
"""Inputs that are LLC tables of scrambled weights; with _critical their critical amounts."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """LLC and critical levels at the end of training, of the weights and of scrambled ones.

    inputs   of every run: fixed, critical; permuted, permuted_critical; gaussian,
             gaussian_critical
    table    run, weights (own, permuted, gaussian), lambda_hat, tolerance, amount (of
             quantization)
    returns  statistics; <control> is permuted or gaussian:
               controls_<control>_llc     largest LLC over runs
               controls_<control>_levels  smallest critical levels at `tolerance`
               controls_<control>_off     distance from the line of LLC against critical levels
                                          along training, in its residual standard deviations,
                                          smallest over runs
    """
    tolerance = settings["tolerance"]
    rows, found = [], {}
    lines = [
        _line(llc, critical, tolerance)
        for llc, critical in zip(inputs["fixed"], inputs["critical"], strict=True)
    ]
    for weights in ("own", *CONTROLS):
        llcs = inputs["fixed" if weights == "own" else weights]
        criticals = inputs["critical" if weights == "own" else f"{weights}_critical"]
        for run, (llc, critical) in enumerate(zip(llcs, criticals, strict=True)):
            rows.append(_both(llc, critical).assign(run=run, weights=weights))
    table = pd.concat(rows, ignore_index=True)
    near = table[np.isclose(table["tolerance"], tolerance)]
    for control in CONTROLS:
        part = near[near["weights"] == control]
        slope, intercept, spread = np.array([lines[run] for run in part["run"]]).T
        off = np.abs(part["lambda_hat"] - slope * part["amount"] - intercept) / spread
        found[f"controls_{control}_llc"] = exact(part["lambda_hat"].max(), len(part))
        found[f"controls_{control}_levels"] = exact(part["amount"].min(), len(part))
        found[f"controls_{control}_off"] = exact(off.min(skipna=False), len(part))
    return table, found


def _both(llc: pd.DataFrame, critical: pd.DataFrame) -> pd.DataFrame:
    """Estimates beside critical levels, one row per checkpoint and tolerance."""
    levels = critical[critical["scheme"] == "quantization"]
    return levels[["step", "tolerance", "amount"]].merge(llc[["step", "lambda_hat"]], on="step")


def _line(llc: pd.DataFrame, critical: pd.DataFrame, tolerance: float) -> tuple[float, ...]:
    """Slope, intercept and residual standard deviation of estimates on critical levels along a
    run, at one tolerance."""
    both = _both(llc, critical).dropna(subset=["amount"])
    both = both[np.isclose(both["tolerance"], tolerance)]
    if len(both) < 4:
        return float("nan"), float("nan"), float("nan")
    slope, intercept = np.polyfit(both["amount"], both["lambda_hat"], 1)
    left = both["lambda_hat"] - slope * both["amount"] - intercept
    return float(slope), float(intercept), float(np.sqrt(np.square(left).sum() / (len(both) - 2)))

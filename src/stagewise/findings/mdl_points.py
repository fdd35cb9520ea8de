"""Checkpoints with what might say how far they can be compressed, and how far they can."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.findings.measured import Measured, bootstrap
from stagewise.settings import SettingsError

SAMPLINGS = ("fixed", "relative")
"""Inputs that are LLC tables: with one localization for all weights, and with one relative to the
size of every tensor."""
KEY = ["model", "step", "kind"]
"""Columns that tell the checkpoints of a table apart; models of the hub have no kind."""
RIVALS = ("norm", "trace", "relative_trace", "minus_loss", "log_step")
"""Predictors of a critical amount other than the LLC."""
PREDICTORS = (*SAMPLINGS, *RIVALS)
GATES = ("loss_rise", "tether_share", "tether_ratio", "rhat", "standard_error")
"""Columns of an LLC table that say whether the chains saw the model."""


def points(
    inputs: Mapping[str, list[pd.DataFrame]], runs: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """One row per checkpoint, scheme and tolerance.

    inputs   critical, and LLC tables for each of SAMPLINGS, of the same runs in the same order
    runs     label -> variants whose tables make one run; by default each table is a run
    returns  KEY; `run`, the number of the run in that order, its `variant` and `label`; scheme,
             tolerance, amount (the critical one: the larger, the less can be left out), censored,
             and the predictors:
               fixed, relative   LLC, each with GATES as <gate>_<sampling>
               norm              of the matrices
               trace             of the Hessian, from the rise of the loss under the tether alone
               relative_trace    the same in units of the tensors' sizes
               minus_loss        of the checkpoint, on the data that are compressed on
               log_step
    """
    parts = []
    for place, critical in enumerate(inputs["critical"]):
        found = critical.assign(run=place)
        for sampling in SAMPLINGS:
            table = _estimates(inputs[sampling][place], sampling)
            both = found.merge(table, on=[c for c in KEY if c in table], validate="many_to_one")
            if len(both) < len(found):
                raise SettingsError(
                    f"mdl: {critical['variant'].iloc[0]} was compressed at checkpoints that "
                    f"`{sampling}` did not sample; give both the same `checkpoints`"
                )
            found = both
        parts.append(found)
    whole = pd.concat(parts, ignore_index=True)
    whole = labelled(whole, runs) if runs else whole.assign(label=whole["variant"])
    return whole.assign(minus_loss=-whole["loss"], log_step=np.log(whole["step"]))


def _estimates(llc: pd.DataFrame, sampling: str) -> pd.DataFrame:
    trace = "trace" if sampling == "fixed" else "relative_trace"
    found = llc[[column for column in KEY if column in llc]].copy()
    found[sampling] = llc["lambda_hat"]
    found[trace] = 2 * llc["localization"] * llc["tether_rise"]
    for gate in GATES:
        found[f"{gate}_{sampling}"] = llc[gate]
    return found


def labelled(table: pd.DataFrame, runs: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The table with `label` and `run` by the run that each `variant` belongs to."""
    names = {variant: label for label, variants in runs.items() for variant in variants}
    label = table["variant"].map(names)
    return table.assign(label=label, run=label.map({name: k for k, name in enumerate(runs)}))


def with_correlations(
    table: pd.DataFrame, correlations: Mapping[tuple[str, ...], Measured], names: tuple[str, ...]
) -> pd.DataFrame:
    """The table with `row` "point", and below it one row per correlation, `row` "correlation", with
    its value, low, high and, in the columns `names`, what it is of."""
    below = pd.DataFrame(
        [
            {"row": "correlation", **dict(zip(names, key, strict=True))}
            | {"value": found.value, "low": found.low, "high": found.high}
            for key, found in correlations.items()
        ]
    )
    return pd.concat([table.assign(row="point"), below], ignore_index=True)


Columns = Mapping[str, NDArray[np.float64]]
"""Predictors and the critical amount, `amount`, of some checkpoints."""


def columns_of(table: pd.DataFrame) -> Columns:
    """As arrays, which are resampled a hundred times faster than tables."""
    return {name: table[name].to_numpy(dtype=float) for name in ("amount", *PREDICTORS, "log_step")}


def resampled(of: Callable[[Any], float], units: int, *, repeats: int) -> Measured:
    """`bootstrap` of a statistic that may not be defined: then not a number, which decides
    nothing."""
    if np.isnan(of(np.arange(units))):
        return undefined("one side is the same everywhere, or follows from what is held fixed")
    return bootstrap(of, units, seed=0, repeats=repeats)


def undefined(doubt: str) -> Measured:
    """No number."""
    return Measured(np.nan, np.nan, np.nan, n=0, doubt=doubt)

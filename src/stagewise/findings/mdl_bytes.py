"""Quantized language models as real bytes: rate and distortion."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.mdl_points import labelled
from stagewise.findings.measured import Measured, exact, rank_correlation


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """The bytes that quantized checkpoints take once coded, and the loss of what is decoded again.

    inputs   coded: `engine.coded` of every run
    table    coded rows of all runs, with `run`, `label` and `ratio`, bits in the file over the
             entropy bound
    returns  statistics:
               bytes_excess_max, _min  largest and smallest of ratio less 1
               bytes_saving            mean of 1 - bits in the file / bits that the scheme claims
               bytes_shrinks           smallest ratio, over checkpoints, of 32-bit weights to the
                                       smallest file whose model's loss is at most `tolerance`
                                       above the checkpoint's
               bytes_growth            Spearman, mean over runs, of the step with the bytes of that
                                       smallest file
    """
    table = labelled(pd.concat(inputs["coded"], ignore_index=True), settings["runs"])
    table["ratio"] = 8 * table["bytes"] / table["entropy_bits"]
    light = table[table["loss_rise"] <= settings["tolerance"]]
    smallest = light.loc[light.groupby(["run", "step"])["bytes"].idxmin()]
    growth = [
        rank_correlation(run["step"].to_numpy(), run["bytes"].to_numpy())
        for _, run in smallest.groupby("run")
    ]
    return table, {
        "bytes_excess_max": exact(float(table["ratio"].max() - 1), len(table)),
        "bytes_excess_min": exact(float(table["ratio"].min() - 1), len(table)),
        "bytes_saving": exact(float(np.mean(1 - 8 * table["bytes"] / table["bits"])), len(table)),
        "bytes_shrinks": exact(
            float((smallest["float_bytes"] / smallest["bytes"]).min()), len(smallest)
        ),
        "bytes_growth": exact(float(np.mean(growth)), len(growth)),
    }

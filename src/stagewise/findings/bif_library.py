"""Influence by the field's libraries, beside ours, where they are installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stagewise.findings.bif_attributions import Rivals
from stagewise.findings.bif_retraining import run_attributions
from stagewise.findings.bif_scores import run_scores
from stagewise.findings.measured import Measured, absent, exact, mean_of
from stagewise.settings import build
from stagewise.testbeds.testbed import Points


@dataclass(frozen=True)
class Settings:
    """What was trained, and how our own influence functions are made."""

    model: dict[str, Any]
    """Of the testbed, as it was trained."""
    rivals: Rivals


RIVALS = {
    "kronfluence": ("ekfac", ["library_agreement", "library_less_ekfac_25"]),
    "traker": ("trak", ["library_less_trak_25"]),
}
"""Library -> which of our attributions it is held against, and the statistics of that."""


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Is our EK-FAC that of kronfluence, our TRAK that of traker?

    inputs   checkpoints: trajectories; retrained: losses on subsets; kronfluence, traker: their
             scores, or that they are missing. One of each seed.
    returns  one row per library and seed: agreement (Pearson correlation of the two's scores),
             score and score_ours (linear datamodelling scores at a quarter of the data); of a
             missing library one row that says so. Statistics, absent without the library:
               library_agreement      with kronfluence, least over seeds. None with traker, which
                                      projects to other directions
               library_less_ekfac_25  kronfluence's score less ours, largest size over seeds
               library_less_trak_25   traker's score less ours, mean over seeds
    """
    wanted = build(Settings, settings, "papers.bif.library")
    tables = []
    statistics: dict[str, Measured] = {}
    for library, (method, names) in RIVALS.items():
        scored = inputs[library]
        missing = [found.attrs["missing"] for found in scored if "missing" in found.attrs]
        if missing:
            tables.append(pd.DataFrame({"library": [library], "missing": [missing[0]]}))
            statistics |= {name: absent(missing[0]) for name in names}
            continue
        runs = zip(inputs["checkpoints"], inputs["retrained"], scored, strict=True)
        table = pd.DataFrame([_row(*run, wanted, method) for run in runs])
        tables.append(table.assign(library=library))
        less = table["score"] - table["score_ours"]
        if library == "kronfluence":
            statistics["library_agreement"] = exact(float(table["agreement"].min()), len(table))
            statistics["library_less_ekfac_25"] = exact(float(less.abs().max()), len(table))
        else:
            statistics["library_less_trak_25"] = mean_of(less)
    return pd.concat(tables, ignore_index=True), statistics


def _row(
    points: Points, truth: xr.Dataset, theirs: xr.Dataset, wanted: Settings, method: str
) -> dict[str, Any]:
    """Of one run."""
    ours = run_attributions(points, wanted.model, wanted.rivals)[method]
    pair = {"ours": ours, "library": theirs["scores"].values}
    seed = int(points.index["seed"].iloc[0])
    scores = run_scores(pair, truth, np.random.default_rng(seed), 0)
    shares = sorted({share for _, share in scores})
    near = min(shares, key=lambda share: abs(share - 25))
    return {
        "seed": seed,
        "agreement": np.corrcoef(ours.ravel(), pair["library"].ravel())[0, 1],
        "score": scores["library", near][0],
        "score_ours": scores["ours", near][0],
    }

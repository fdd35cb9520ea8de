"""Influence functions by the field's library, beside ours, where it is installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.bif_attributions import Rivals
from stagewise.findings.bif_retraining import run_attributions, run_scores
from stagewise.findings.measured import Measured, absent, exact
from stagewise.settings import build


@dataclass(frozen=True)
class Settings:
    """What was trained, and how our own influence functions are made."""

    model: dict[str, Any]
    """Of the testbed, as it was trained."""
    rivals: Rivals


STATISTICS = ("library_agreement", "library_less_ekfac_25")


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Is our EK-FAC that of kronfluence?

    inputs   checkpoints: trajectories; retrained: losses on subsets; kronfluence: its scores, or
             that it is missing. One of each seed.
    returns  one row per seed; statistics, absent without the library:
               library_agreement      Pearson correlation of the two's scores, least over seeds
               library_less_ekfac_25  its linear datamodelling score at a quarter of the data less
                                      ours, largest size over seeds
    """
    wanted = build(Settings, settings, "papers.bif.library")
    scored = inputs["kronfluence"]
    missing = [found.attrs["missing"] for found in scored if "missing" in found.attrs]
    if missing:
        table = pd.DataFrame({"library": ["kronfluence"], "missing": [missing[0]]})
        return table, {name: absent(missing[0]) for name in STATISTICS}
    rows = []
    for number, (points, truth, theirs) in enumerate(
        zip(inputs["checkpoints"], inputs["retrained"], scored, strict=True)
    ):
        ours = run_attributions(points, wanted.model, wanted.rivals)["ekfac"]
        pair = {"ours": ours, "library": theirs["scores"].values}
        scores = run_scores(pair, truth, np.random.default_rng(number), 0)
        shares = sorted({share for _, share in scores})
        near = min(shares, key=lambda share: abs(share - 25))
        rows.append(
            {
                "library": "kronfluence",
                "seed": int(points.index["seed"].iloc[0]),
                "agreement": np.corrcoef(ours.ravel(), pair["library"].ravel())[0, 1],
                "score": scores["library", near][0],
                "score_ours": scores["ours", near][0],
            }
        )
    table = pd.DataFrame(rows)
    apart = (table["score"] - table["score_ours"]).abs().max()
    return table, {
        "library_agreement": exact(float(table["agreement"].min()), len(table)),
        "library_less_ekfac_25": exact(float(apart), len(table)),
    }

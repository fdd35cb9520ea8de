"""In-context regression: the task prior, regression in context, and specialisation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.developmental_landscape_curves import in_order
from stagewise.findings.measured import Measured, doubtful, exact

NEAR = 0.1
"""A loss is near that of predicting zero if it is within this share of it."""
FAR = "ood_loss_10"
"""Inputs outside of the distribution: x ~ N(0, 10 I)."""


def measure(
    inputs: Mapping[str, list[pd.DataFrame]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Scores at every checkpoint against the two exact predictors, that of the prior (zero) and
    that of Bayes.

    inputs    behaviour: scores of the checkpoints of each seed
    settings  dimension D and noise_variance of the regression
    table     one row per checkpoint: losses, scores, and whether it is one at which nothing but the
              prior has been learned (`prior`)

    What is to hold in every seed is that of the worst of them.
    """
    dimension, noise = float(settings["dimension"]), float(settings["noise_variance"])
    runs = [in_order(rows) for rows in inputs["behaviour"]]
    found = [_run(rows, dimension, noise) for rows in runs]
    worst = {
        name: exact(pick([one[name] for one in found]), n=len(runs)) for name, pick in PICKS.items()
    }
    rises = worst["regression_loss_rises"].value > 2
    doubt = "the loss in the distribution rises, too" if rises else ""
    worst["regression_far_loss"] = doubtful(worst["regression_far_loss"], doubt)
    table = pd.concat(
        [
            rows.reindex(columns=[*COLUMNS, *_also(rows)]).assign(
                prior=rows.index == _prior(rows, dimension, noise), zero_loss=dimension + noise
            )
            for rows in runs
        ],
        ignore_index=True,
    )
    return table, worst


COLUMNS = ["seed", "step", "loss", "loss_error", "bayes_loss", "mean_square_prediction", "icl"]

PICKS = {
    "regression_prior_prediction": np.max,
    "regression_prior_share_of_start": np.max,
    "regression_start_prediction": np.min,
    "regression_final_over_bayes": np.max,
    "regression_below_bayes": np.min,
    "regression_icl": np.max,
    "regression_far_loss": np.min,
    "regression_loss_rises": np.max,
    "regression_norm_small": np.min,
    "regression_rank_share": np.max,
    "control_regression_untrained_over_bayes": np.min,
}
"""Statistic -> which seed is the worst; `max` and `min` of a number that is none is none."""


def _also(rows: pd.DataFrame) -> list[str]:
    wanted = ("ood_loss_", "norm_small_share", "effective_rank")
    return [str(name) for name in rows.columns if str(name).startswith(wanted)]


def _prior(rows: pd.DataFrame, dimension: float, noise: float) -> int:
    """The checkpoint of the smallest predictions among those with a loss near that of predicting
    zero, before learning in context; -1 where there is none.

    In context: icl below half of what there is to gain, D (1 - 1 / D), and from there on always:
    the large predictions of a fresh model can differ that much between examples by chance.
    """
    learned = rows["icl"] < -0.5 * dimension * (1 - 1 / dimension)
    before = rows[: int(np.flatnonzero(~learned)[-1]) + 1]
    zero = dimension + noise
    near = before[(before["loss"] - zero).abs() <= NEAR * zero]
    return int(near.index.to_numpy()[near["mean_square_prediction"].argmin()]) if len(near) else -1


def _run(rows: pd.DataFrame, dimension: float, noise: float) -> dict[str, float]:
    """The statistics of one run; see the page for what each is held against."""
    place, last, start = _prior(rows, dimension, noise), rows.iloc[-1], rows.iloc[0]
    square = float(rows["mean_square_prediction"][place]) if place >= 0 else np.nan
    far = rows[FAR]
    best = rows.iloc[int(far.argmin())]
    error = float(np.hypot(last["loss_error"], best["loss_error"]))
    small = [name for name in _also(rows) if name.startswith("norm_small_share")]
    ranks = [name for name in _also(rows) if name.startswith("effective_rank")]
    return {
        "regression_prior_prediction": square / (noise + 0.1 * dimension),
        "regression_prior_share_of_start": square / float(start["mean_square_prediction"]),
        "regression_start_prediction": float(start["mean_square_prediction"]),
        "regression_final_over_bayes": float(last["loss"] / last["bayes_loss"]),
        "regression_below_bayes": float((rows["excess"] / rows["excess_error"]).min()),
        "regression_icl": float(last["icl"]) / (dimension * (1 - 1 / dimension)),
        "regression_far_loss": float(last[FAR] / far.min()),
        "regression_loss_rises": float(last["loss"] - best["loss"]) / error,
        "regression_norm_small": float(last[small].max()),
        "regression_rank_share": min(float(last[name] / rows[name].max()) for name in ranks),
        "control_regression_untrained_over_bayes": float(start["loss"] / start["bayes_loss"]),
    }

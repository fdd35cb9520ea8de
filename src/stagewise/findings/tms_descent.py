"""Toy model of superposition: the levels that training rests on, and the estimates there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stagewise.estimators.plateaus import OFF, matched_levels
from stagewise.findings.measured import Measured, bootstrap, exact, mean_of, rank_correlation
from stagewise.theory.superposition import (
    PHASES_6,
    parse_phase,
    polygon_coefficient,
    polygon_loss,
)

ESTIMATES = ("llc",)
"""Inputs that are LLC tables of draws."""

C = 6
LEVELS = np.array([polygon_loss(parse_phase(p)[0], C, parse_phase(p)[1]) for p in PHASES_6])
COEFFICIENTS = np.array(
    [float(polygon_coefficient(parse_phase(p)[0], C, parse_phase(p)[1])) for p in PHASES_6]
)


def measure(
    inputs: dict[str, list[pd.DataFrame]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """How much of training lies on polygon levels, and how the estimates order the levels.

    Input: `llc`, one llc.csv of short chains at the checkpoints of each data set. Table: one row
    per checkpoint: run, step, population loss, phase (empty in transit), estimate. The losses
    are of the population: those of the data set move with it.
    """
    table = checkpoints(inputs["llc"], tolerance=settings["tolerance"])
    repeats = {"seed": 0, "repeats": settings["bootstrap"]}
    runs = [rows for _, rows in table.groupby("run", sort=False)]
    levels = [rows["level"].to_numpy() for rows in runs]
    losses = [rows["loss_population"].to_numpy() for rows in runs]
    estimates = [rows["lambda_hat"].to_numpy() for rows in runs]
    found = {
        "share_on_levels": bootstrap(
            _over(lambda level: float((level != OFF).mean()), levels), len(runs), **repeats
        ),
        "control_share_on_random_levels": _random_levels(np.concatenate(losses), settings),
        "rank_correlation_loss_estimate": bootstrap(
            lambda chosen: _ordering(
                np.concatenate([levels[run] for run in chosen]),
                np.concatenate([estimates[run] for run in chosen]),
                settings["visited"],
            ),
            len(runs),
            **repeats,
        ),
        "control_rank_correlation_loss_exact": exact(
            _ordering(
                np.concatenate(levels),
                COEFFICIENTS[np.concatenate(levels)],
                settings["visited"],
            ),
            n=len(runs),
        ),
    }
    for number, phase in enumerate(PHASES_6):
        on_level = table[table["level"] == number]
        if len(on_level) >= settings["visited"]:
            name = phase.replace("+", "plus")
            found[f"checkpoints_{name}"] = exact(len(on_level), n=len(runs))
            found[f"estimate_{name}"] = bootstrap(
                _over(
                    lambda values: float(np.mean(values)),
                    [rows["lambda_hat"].to_numpy() for _, rows in on_level.groupby("run")],
                ),
                on_level["run"].nunique(),
                **repeats,
            )
    return table, found


def checkpoints(tables: list[pd.DataFrame], *, tolerance: float) -> pd.DataFrame:
    """The checkpoints of all runs with their level, in order of run and step."""
    table = pd.concat(tables, ignore_index=True).sort_values(["seed", "model", "step"])
    level = matched_levels(table["loss_population"].to_numpy(), LEVELS, tolerance=tolerance)
    names = np.array([*PHASES_6, ""])
    return pd.DataFrame(
        {
            "run": [
                f"{seed}.{model}" for seed, model in zip(table["seed"], table["model"], strict=True)
            ],
            "step": table["step"].to_numpy(),
            "loss_population": table["loss_population"].to_numpy(),
            "lambda_hat": table["lambda_hat"].to_numpy(),
            "escaped": table["escaped"].to_numpy(),
            "chains": table["chains"].to_numpy(),
            "level": level,
            "phase": names[level],
        }
    )


def _over(
    statistic: Callable[[NDArray[Any]], float], runs: list[NDArray[Any]]
) -> Callable[[NDArray[Any]], float]:
    """The statistic of the checkpoints of chosen runs, joined."""
    return lambda chosen: statistic(np.concatenate([runs[run] for run in chosen]))


def _ordering(level: NDArray[Any], estimate: NDArray[Any], visited: int) -> float:
    """Spearman's correlation of a level's loss with the mean estimate there, over levels with at
    least `visited` checkpoints."""
    often = [k for k in range(len(LEVELS)) if (level == k).sum() >= visited]
    return rank_correlation(
        [LEVELS[k] for k in often], [estimate[level == k].mean() for k in often]
    )


def _random_levels(losses: NDArray[Any], settings: dict[str, Any]) -> Measured:
    """The share of checkpoints near as many levels placed at random between the lowest and the
    highest loss seen: what matching finds where there is nothing to find. Mean over placements."""
    random = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        placed = random.uniform(losses.min(), losses.max(), len(LEVELS))
        matched = matched_levels(losses, placed, tolerance=settings["tolerance"])
        shares.append(float((matched != OFF).mean()))
    return mean_of(shares)

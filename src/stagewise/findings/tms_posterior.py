"""Toy model of superposition: which phase the posterior is in, as the sample size grows."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from stagewise.engine.quench import quench
from stagewise.estimators.convex_hull import hull_vertices
from stagewise.estimators.plateaus import OFF, matched_levels
from stagewise.findings.measured import Measured, bootstrap, exact, mean_of, rank_correlation
from stagewise.models.superposition import population_loss
from stagewise.theory.superposition import (
    PHASES_6,
    critical_sample_size,
    parse_phase,
    polygon_loss,
)
from stagewise.theory.superposition_evidence import evidence_crossing

C = 6
SHAPES = {"W": (2, C), "b": (C,)}
FAMILIES = ("four", "five", "six", "other")
SHORTEST = 0.3
"""Length below which a column is not counted as a vertex of the convex hull."""
Shares = NDArray[np.float64]


def measure(
    inputs: dict[str, list[xr.Dataset]], settings: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Shares of the phases among posterior draws, by two classifications, and where they cross.

    Inputs: `tempered` and `untempered` draws on the population loss, `data` on data sets. Table:
    one row per source, classification, n and replicate (chain or data set): the share of each
    family of phases; and rows for the crossings. Statistics use the quench; the hull is for
    comparison.
    """
    sources = {
        "population": inputs["tempered"],
        "untempered": inputs["untempered"],
        "data": inputs["data"],
    }
    table = pd.concat(
        [
            _classified(draws, source, settings)
            for source, found in sources.items()
            for draws in found
        ],
        ignore_index=True,
    )
    found: dict[str, Measured] = {}
    for source in ("population", "data"):
        found |= _crossings(_of(table, source), source, settings)
    found["crossing_5_6_by_hull"] = _crossing(
        _of(table, "population", by="hull"), "five", "six", settings
    )
    found["formula_over_crossing"] = _formula_over(found["crossing_5_6"])
    for n in (100.0, 600.0):
        rows = _of(table, "population").query("n == @n")
        missing = Measured(float("nan"), doubt=f"n = {n:.0f} was not sampled by several chains")
        found[f"share_6_n{n:.0f}"] = mean_of(rows["six"]) if len(rows) > 1 else missing
    found["crossing_by_laplace"] = exact(evidence_crossing(("5", "5+"), ("6",), C))
    found |= _mixing(table, inputs["tempered"])
    return pd.concat([table, _crossing_rows(found)], ignore_index=True), found


def _classified(draws: xr.Dataset, source: str, settings: dict[str, Any]) -> pd.DataFrame:
    """Shares of one draws file: chains are the replicates, or data sets where there are many."""
    stacked = draws.parameters.transpose("checkpoint", "n", "chain", "draw", "parameter")
    positions = torch.from_numpy(stacked.values.astype(np.float64))  # (point, n, chain, draw, d)
    families = {
        "quench": _by_quench(positions, settings),
        "hull": _by_hull(positions),
    }
    rows = []
    for by, family in families.items():
        for point, size, chain in np.ndindex(*family.shape[:3]):
            counts = np.bincount(family[point, size, chain], minlength=len(FAMILIES))
            rows.append(
                {
                    "source": source,
                    "by": by,
                    "n": float(draws.n[size]),
                    "replicate": f"{draws.attrs['seed']}.{point}.{chain}",
                    "draws": family.shape[-1],
                    **dict(zip(FAMILIES, counts / family.shape[-1], strict=True)),
                }
            )
    return pd.DataFrame(rows)


def _by_quench(positions: torch.Tensor, settings: dict[str, Any]) -> NDArray[np.int64]:
    sizes = [parse_phase(phase) for phase in PHASES_6]
    levels = [polygon_loss(k, C, positive) for k, positive in sizes]
    _, losses = quench(
        lambda w, constants, batch: population_loss(w["W"], w["b"])[None],
        SHAPES,
        positions.reshape(-1, positions.shape[-1]),
        rate=settings["rate"],
        steps=settings["steps"],
    )
    level = matched_levels(losses.numpy(), levels, tolerance=settings["tolerance"])
    family = np.array([k - 4 for k, _ in sizes])[level]
    return np.where(level == OFF, FAMILIES.index("other"), family).reshape(positions.shape[:-1])


def _by_hull(positions: torch.Tensor) -> NDArray[np.int64]:
    columns = positions[..., : 2 * C].reshape(-1, 2, C).numpy()
    vertices = np.array([hull_vertices(W, shortest=SHORTEST) for W in columns])
    family = np.where((vertices >= 4) & (vertices <= 6), vertices - 4, FAMILIES.index("other"))
    return family.reshape(positions.shape[:-1])


def _of(table: pd.DataFrame, source: str, by: str = "quench") -> pd.DataFrame:
    return table[(table["source"] == source) & (table["by"] == by)]


def _grid(rows: pd.DataFrame, family: str) -> tuple[Shares, Shares]:
    """Sizes (n,) and shares (n, replicate) of a family; replicates in the order of the table."""
    sizes = np.sort(rows["n"].unique())
    return sizes, np.stack([rows.loc[rows["n"] == n, family].to_numpy() for n in sizes])


def _crossings(rows: pd.DataFrame, source: str, settings: dict[str, Any]) -> dict[str, Measured]:
    """Trends and crossings of one source."""
    prefix = "" if source == "population" else f"{source}_"
    found = {}
    for family, label in (("four", "4"), ("six", "6")):
        sizes, shares = _grid(rows, family)
        found[f"{prefix}rank_correlation_{label}"] = exact(
            _trend(sizes, shares.mean(1)), n=shares.shape[1]
        )
    for lower, upper, label in (("four", "five", "4_5"), ("five", "six", "5_6")):
        found[f"{prefix}crossing_{label}"] = _crossing(rows, lower, upper, settings)
    return found


def _trend(sizes: Shares, share: Shares) -> float:
    """Spearman's correlation of a share with n, up to the first n at which it is 0 or 1.

    Beyond it the draws cannot tell shares apart, and ties would count against a trend.
    """
    ended = np.flatnonzero((share == 0) | (share == 1))
    last = int(ended[0]) + 1 if len(ended) else len(share)
    return rank_correlation(sizes[:last], share[:last])


def _crossing(rows: pd.DataFrame, lower: str, upper: str, settings: dict[str, Any]) -> Measured:
    """n at which two families are equally frequent, with a bootstrap over replicates.

    Linear interpolation of log(upper / lower) in log n between the two sizes around its sign
    change. A family that was not seen counts as half a draw.
    """
    half = 0.5 / (rows["draws"].iloc[0] * rows.groupby("n").size().iloc[0])
    sizes, first = _grid(rows, lower)
    _, second = _grid(rows, upper)
    statistic = partial(_equal_size, sizes=sizes, first=first, second=second, half=half)
    replicates = first.shape[1]
    if np.isnan(statistic(np.arange(replicates))):
        doubt = f"the shares do not cross between n = {sizes[0]:g} and {sizes[-1]:g}"
        return Measured(float("nan"), n=replicates, doubt=doubt)
    return bootstrap(statistic, replicates, seed=0, repeats=settings["bootstrap"])


def _formula_over(sampled: Measured) -> Measured:
    """The formula's n of the 5 to 6 transition divided by the sampled one."""
    formula = critical_sample_size("5", "6", C, prior=True)
    if sampled.low is None or sampled.high is None:
        return Measured(float("nan"), n=sampled.n, doubt=sampled.doubt)
    return Measured(
        formula / sampled.value, formula / sampled.high, formula / sampled.low, n=sampled.n
    )


def _equal_size(
    chosen: NDArray[Any], *, sizes: Shares, first: Shares, second: Shares, half: float
) -> float:
    one = np.maximum(first[:, chosen].mean(1), half)
    two = np.maximum(second[:, chosen].mean(1), half)
    odds = np.log(two / one)
    rises = np.flatnonzero((odds[:-1] <= 0) & (odds[1:] > 0))
    if len(rises) == 0:
        return float("nan")
    k = int(rises[0])
    share = -odds[k] / (odds[k + 1] - odds[k])
    return float(np.exp((1 - share) * np.log(sizes[k]) + share * np.log(sizes[k + 1])))


def _crossing_rows(found: dict[str, Measured]) -> pd.DataFrame:
    """Where families cross, for the figure: sampled, on data, and by the formula."""
    without = critical_sample_size("5", "6", C, prior=False)
    crossings = {
        ("sampled", "4_5"): found["crossing_4_5"],
        ("sampled", "5_6"): found["crossing_5_6"],
        ("data", "5_6"): found["data_crossing_5_6"],
        ("formula", "5_6"): exact(critical_sample_size("5", "6", C, prior=True)),
        ("formula without prior", "5_6"): exact(without),
        ("laplace", "5_6"): found["crossing_by_laplace"],
    }
    return pd.DataFrame(
        [
            {
                "source": source,
                "by": f"crossing_{pair}",
                "n": at.value,
                "low": at.low,
                "high": at.high,
            }
            for (source, pair), at in crossings.items()
        ]
    )


def _mixing(table: pd.DataFrame, tempered: list[xr.Dataset]) -> dict[str, Measured]:
    """How much replicates differ in their share of 6-gons, with exchanges and without."""
    found = {}
    without = _of(table, "untempered")
    sizes = sorted(without["n"].unique())
    for source, name in (("population", "spread_tempered"), ("untempered", "control_spread")):
        rows = _of(table, source)
        spread = rows[rows["n"].isin(sizes)].groupby("n")["six"].std(ddof=1)
        found[name] = exact(float(spread.max()), n=len(rows))
    exchange = np.concatenate([draws.exchange.values.mean(-1).ravel() for draws in tempered])
    found["exchange_acceptance"] = exact(float(exchange.min()), n=len(exchange))
    return found

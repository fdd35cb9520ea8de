"""Tokens by the first two principal axes of their susceptibilities, for the companion page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from stagewise.estimators.response_matrix import principal_components
from stagewise.findings.measured import Measured, exact
from stagewise.findings.token_rows import columns, described, token_rows
from stagewise.settings import build


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings."""

    model: dict[str, Any]


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """A map of tokens.

    inputs   susceptibilities of every seed, of which the last checkpoint of the first is shown
    returns  one row per token of the observable `mixed` (`token_rows`): x, y its scores along the
             first two principal axes of the heads' restricted susceptibilities, each component's
             in standard deviations, which stand beside them. Statistic: companion_shown, share of
             the heads' variance that the map shows
    """
    model = build(Settings, settings, "papers.susceptibilities.companion").model
    found = inputs["susceptibilities"][0].isel(checkpoint=-1)
    values = columns(found, "restricted")
    components = [str(name) for name in found["component"].values]
    axes = principal_components(values[:, [":" in name for name in components]])
    table = token_rows(
        described(model, "papers.susceptibilities.companion.model"),
        values,
        components,
        axes.scores[:, :2],
        step=int(found["step"]),
    )
    return table, {"companion_shown": exact(float(axes.shares[:2].sum()), len(table))}

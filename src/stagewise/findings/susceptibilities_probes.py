"""Claim C2: the susceptibility to a probe is the mean of that to its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from stagewise.estimators.susceptibilities import observable
from stagewise.findings.measured import Measured, bootstrap, exact
from stagewise.findings.susceptibilities_matrices import tokens
from stagewise.settings import build
from stagewise.testbeds.synthetic_language import mixed

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, to know the tokens again, and sizes."""

    model: dict[str, Any]
    mixed: float
    """Share of a probe's sequences in the data mixed with it, the paper's step in the field."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[xr.Dataset]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Every source of sequences as a probe, against all of them as the base.

    inputs   per seed: susceptibilities of tokens (`response`) and their coupled `draws`
    returns  one row per seed, head and probe: tokens (mean of the tokens' susceptibilities) and
             unscaled (of L' - L) from all chains; tokens_apart (the first half of the chains) and
             scaled_apart (of the loss on mixed data less L, the other half). Statistics, `probes_`
               same_error     greatest difference of tokens and unscaled, over the greatest size
               scale_error    greatest difference of unscaled times the share and scaled, from the
                              same chains, over the greatest size of the latter
               pearson, slope of tokens_apart with scaled_apart, over heads, probes and seeds
    """
    wanted = build(Settings, settings, "papers.susceptibilities.probes")
    known = tokens(mixed(wanted.model))
    parts, scales = [], []
    for found, draws in zip(inputs["response"], inputs["draws"], strict=True):
        heads = [name for name in found.component.values.tolist() if ":" in name]
        by_token = _by_token(found, heads)
        losses, span = _expected_losses(draws, heads)
        for probe in np.unique(known.sources):
            own = known.sources == probe
            weights = np.where(own, wanted.mixed / own.sum(), 0.0)
            weights += (1 - wanted.mixed) / len(own)
            of_probe = losses[..., own].mean(-1)
            scaled = _response(losses @ weights, losses, span)
            unscaled = _response(of_probe, losses, span)
            scales.append(np.stack([wanted.mixed * unscaled, scaled]))
            parts.append(
                pd.DataFrame(
                    {
                        "seed": int(found.attrs["seed"]),
                        "head": heads,
                        "probe": probe,
                        "tokens": by_token[:, :, own].mean((1, 2)),
                        "unscaled": unscaled.mean(1),
                        "tokens_apart": by_token[:, 0, own].mean(1),
                        "scaled_apart": scaled[:, 1],
                    }
                )
            )
    table = pd.concat(parts, ignore_index=True)
    expected, scaled = np.concatenate(scales, axis=1)
    return table, {
        "probes_same_error": exact(
            float((table["tokens"] - table["unscaled"]).abs().max() / table["tokens"].abs().max())
        ),
        "probes_scale_error": exact(float(np.abs(expected - scaled).max() / np.abs(scaled).max())),
        **_agreement(table, wanted.bootstrap),
    }


def _by_token(found: xr.Dataset, heads: list[str]) -> Array:
    """(head, half, token), of the only checkpoint."""
    kept = found["restricted"].isel(checkpoint=0).sel(component=heads)
    values = kept.transpose("component", "half", "sample", "token").values
    return np.asarray(values, dtype=np.float64).reshape(*values.shape[:2], -1)


def _expected_losses(draws: xr.Dataset, heads: list[str]) -> tuple[Array, float]:
    """E[l_z] (n, head, half, token) at the least and the greatest n, and the span of n beta."""
    name = observable(draws)
    order = draws.nbeta.values.argsort()[[0, -1]]
    kept = draws[f"{name}_loss_mean"].isel(checkpoint=0, n=order).sel(component=heads)
    values = kept.transpose("n", "component", "chain", ...).values.astype(np.float64)
    flat = values.reshape(*values.shape[:3], -1)
    half = 2 * (flat.shape[2] // 4)
    halves = np.stack([flat[:, :, :half].mean(2), flat[:, :, half : 2 * half].mean(2)], axis=2)
    least, greatest = draws.nbeta.values[order]
    return halves, float(greatest - least)


def _response(probe: Array, losses: Array, span: float) -> Array:
    """d E[L' - L] / d(n beta), (head, half), of E[L'] (n, head, half)."""
    apart = probe - losses.mean(-1)
    return np.asarray((apart[1] - apart[0]) / span)


def _agreement(table: pd.DataFrame, repeats: int) -> dict[str, Measured]:
    """Heads resampled, with all their probes."""
    groups = [rows for _, rows in table.groupby(["seed", "head"])]
    pairs = np.stack([rows[["scaled_apart", "tokens_apart"]].to_numpy() for rows in groups])

    def over_heads(of: Any) -> Measured:
        return bootstrap(
            lambda chosen: of(*pairs[chosen].reshape(-1, 2).T), len(pairs), seed=0, repeats=repeats
        )

    return {
        "probes_pearson": over_heads(lambda x, y: float(np.corrcoef(x, y)[0, 1])),
        "probes_slope": over_heads(lambda x, y: float(np.polyfit(x, y, 1)[0])),
    }

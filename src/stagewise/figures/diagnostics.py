"""Can the chains of a draws file be trusted? One page that shows it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stagewise.engine.stationarity import STATIONARY_DRIFT, STATIONARY_RHAT
from stagewise.figures.style import COLOURS, CONTROL, WIDTH, letter

CHAINS = 12
"""The most chains drawn in a panel."""


def draw(draws: xr.Dataset, name: str) -> Figure:
    """Traces of the least and the median stationary posterior, and every diagnostic of all.

    a, b  n beta [L(w_t) - L(w*)] of each chain against the step, smoothed over 1/50 of the chain
    c     split R-hat against bulk effective sample size, one point a posterior
    d     how far the mean moved between the halves, as a normal deviate, against acceptance
    e     what held the chains: their spread and the rise of their loss, as shares of what the
          tether alone gives (`engine.locality`)
    """
    figure = Figure(figsize=(WIDTH, 6), layout="constrained")
    axes = list(figure.subplot_mosaic("aaabbb;ccddee").values())
    lead = [dim for dim in draws.excess_loss.dims if dim not in ("chain", "draw")]
    flat = draws.stack(posterior=lead)
    order = np.argsort(np.nan_to_num(flat.rhat.values, nan=np.inf))
    _traces(axes[0], flat, lead, int(order[-1]), "least stationary")
    _traces(axes[1], flat, lead, int(order[len(order) // 2]), "median")
    _convergence(axes[2], flat)
    _drift(axes[3], flat)
    _locality(axes[4], flat)
    letter(axes)
    lost = int((~flat.stationary).sum())
    verdict = f"{lost} of {flat.sizes['posterior']} posteriors not stationary"
    figure.suptitle(f"{name}: {verdict}", fontsize=10, x=0.01, ha="left")
    return figure


def _traces(axis: Axes, flat: xr.Dataset, lead: list[str], place: int, title: str) -> None:
    one = flat.isel(posterior=place)
    values = one.excess_loss.transpose("chain", "draw").values * float(one.nbeta)
    width = max(1, values.shape[1] // 50)
    steps = flat.draw.values[: values.shape[1] // width * width].reshape(-1, width).mean(1)
    for trace in values[:CHAINS]:
        smooth = trace[: len(steps) * width].reshape(-1, width).mean(1)
        axis.plot(steps, smooth, linewidth=0.7, alpha=0.8)
    axis.axhline(float(values.mean()), color=CONTROL, linewidth=0.8, linestyle="--")
    label = ", ".join(f"{dim} {one[dim].item():g}" for dim in lead if flat[dim].dtype.kind in "if")
    axis.set_title(f"{title}: {label}, R-hat {float(one.rhat):.3f}")
    axis.set_xlabel("step")
    axis.set_ylabel("nβ [L(w) - L(w*)]")


def _points(axis: Axes, flat: xr.Dataset, across: xr.DataArray, up: xr.DataArray) -> None:
    good = flat.stationary.values.astype(bool)
    for chosen, colour, label in ((good, COLOURS[0], "stationary"), (~good, COLOURS[1], "not")):
        if chosen.any():
            axis.plot(
                across.values[chosen], up.values[chosen], "o", color=colour, alpha=0.6, label=label
            )


def _convergence(axis: Axes, flat: xr.Dataset) -> None:
    _points(axis, flat, flat.ess_bulk, flat.rhat)
    axis.axhline(STATIONARY_RHAT, color=CONTROL, linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xlabel("bulk effective sample size")
    axis.set_ylabel("split R-hat")
    axis.set_title("do chains agree?")
    axis.legend()


def _drift(axis: Axes, flat: xr.Dataset) -> None:
    _points(axis, flat, flat.acceptance.mean("chain"), flat.drift)
    for bound in (-STATIONARY_DRIFT, STATIONARY_DRIFT):
        axis.axhline(bound, color=CONTROL, linewidth=0.8)
    axis.set_xlim(-0.05, 1.05)
    axis.set_xlabel("acceptance (1 without a decision)")
    axis.set_ylabel("second half less first, standard errors")
    axis.set_title("have they settled?")


def _locality(axis: Axes, flat: xr.Dataset) -> None:
    ratio = np.abs(flat.tether_ratio)
    _points(axis, flat, ratio.where(ratio > 0), flat.tether_share)
    axis.set_xscale("log")
    for line in (axis.axhline, axis.axvline):
        line(1.0, color=CONTROL, linewidth=0.8)
    axis.set_xlabel("|rise of the loss| over the tether's")
    axis.set_ylabel("γ |w - w*|² over d")
    axis.set_title("only the tether? (1 and 1)")

"""Figure 12: samplers of local posteriors against exact draws, over step sizes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t as student

from stagewise.estimators.order_preservation import order_preservation
from stagewise.figures.llc_coverage import share_below
from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter

NAMES = {
    "sgld": "SGLD",
    "rmsprop": "RMSProp-SGLD",
    "frozen": "RMSProp-SGLD, frozen",
    "sghmc": "SGHMC",
    "sgnht": "SGNHT",
    "adam": "AdamSGLD",
}
MARKERS = dict(zip(NAMES, "osDv^P", strict=True))
LOOK = dict(zip(NAMES, COLOURS, strict=False))
LARGEST_ERROR = 2.0
"""Of what is drawn; larger errors and diverged chains are marked at the upper edge."""


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts."""
    figure, grid = plt.subplots(4, 3, figsize=(WIDTH, 12.8), layout="constrained")
    axes = list(grid.flat)
    sweeps = tables["sweeps"]
    for axis, scale in zip(axes[:2], (1, 10), strict=True):
        draw_scatter(axis, sweeps[sweeps.rescaling == scale], scale)
    draw_best(axes[2], sweeps)
    for axis, scale in zip(axes[3:6], (1, 3, 10), strict=True):
        draw_errors(axis, sweeps[sweeps.rescaling == scale], scale)
    draw_order(axes[6], sweeps[sweeps.rescaling == 1])
    draw_traces(axes[7], tables["traces"])
    draw_bias(axes[8], tables["temperature"])
    noise = tables["noise"]
    for axis, gradient in zip(axes[9:11], ("minibatch", "full"), strict=True):
        draw_noisy(axis, noise[noise.gradient == gradient], gradient)
    draw_coverage(axes[11], tables["coverage"])
    letter(axes)
    return figure


def draw_scatter(axis: Axes, table: pd.DataFrame, scale: float) -> None:
    """Estimates at each sampler's best step against Aoyagi's coefficient, and the exact draws."""
    reference = table.drop_duplicates(["seed", "network"])
    for sampler, name in NAMES.items():
        part = table[(table.sampler == sampler) & table.best]
        axis.plot(
            part.aoyagi,
            part.lambda_hat,
            MARKERS[sampler],
            color=LOOK[sampler],
            markersize=3.5,
            alpha=0.75,
            label=name,
        )
    axis.plot(
        reference.aoyagi, reference.reference, "_", color=THEORY, markersize=8, label="exact draws"
    )
    ends = np.array([reference.aoyagi.min() * 0.8, reference.aoyagi.max() * 1.2])
    axis.plot(ends, ends, color=THEORY, linewidth=0.7)
    axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends * [0.6, 1.5])
    ticks = [tick for tick in (5, 10, 20, 50, 100) if ends[0] <= tick <= ends[1]]
    for which in (axis.xaxis, axis.yaxis):
        which.set_ticks(ticks, [str(tick) for tick in ticks])
        which.set_ticks([], minor=True)
    axis.set_xlabel("Aoyagi's coefficient λ")
    axis.set_ylabel("λ̂ at the best step size")
    axis.set_title("balanced networks" if scale == 1 else f"W₁·{scale:g}, W₂/{scale:g}")
    if scale == 1:
        axis.legend(loc="upper left", fontsize=6)


def _mean_errors(table: pd.DataFrame) -> pd.DataFrame:
    """step_size -> mean absolute and mean relative error; not a number where a chain diverged."""
    errors = table.groupby("step_size")["error"]
    whole = errors.apply(lambda part: np.isfinite(part).all())
    found = pd.DataFrame({"absolute": errors.apply(lambda part: part.abs().mean())})
    return found.assign(signed=errors.mean()).where(whole, np.nan)


def draw_errors(axis: Axes, table: pd.DataFrame, scale: float) -> None:
    """Mean absolute error over step sizes; a cross at the top where a chain diverged."""
    for sampler in NAMES:
        errors = _mean_errors(table[table.sampler == sampler])
        shown = errors["absolute"].where(errors["absolute"] <= LARGEST_ERROR)
        axis.plot(shown.index, shown, MARKERS[sampler] + "-", color=LOOK[sampler], markersize=3.5)
        lost = errors.index[shown.isna()]
        axis.plot(lost, np.full(len(lost), LARGEST_ERROR), "x", color=LOOK[sampler], markersize=4)
    axis.axhline(0.2, color=CONTROL, linewidth=0.7, linestyle=":")
    axis.set(xscale="log", yscale="log", ylim=(0.01, LARGEST_ERROR * 1.2))
    axis.set_yticks([0.01, 0.03, 0.1, 0.2, 0.5, 1, 2], ["1 %", "3", "10", "20", "50", "100", "200"])
    axis.set_yticks([], minor=True)
    axis.set_xlabel("step size ε")
    axis.set_ylabel("mean |error| to exact draws")
    axis.set_title(f"error over step sizes, s = {scale:g}")


def draw_best(axis: Axes, table: pd.DataFrame) -> None:
    """Signed and absolute error of every sampler at its best step, in the three geometries."""
    scales = sorted(table.rescaling.unique())
    for place, sampler in enumerate(NAMES):
        for number, scale in enumerate(scales):
            part = table[(table.sampler == sampler) & (table.rescaling == scale) & table.best]
            at = place + (number - 1) * 0.25
            axis.bar(at, part.error.abs().mean(), 0.22, color=LOOK[sampler], alpha=1 - 0.3 * number)
            spread = 1.65 * part.error.std(ddof=1) / len(part) ** 0.5
            axis.errorbar(at, part.error.mean(), spread, fmt="_", color=THEORY, markersize=5)
    axis.axhline(0, color=THEORY, linewidth=0.6)
    axis.set_xticks(range(len(NAMES)), [NAMES[s].replace("-SGLD", "\nSGLD") for s in NAMES])
    axis.tick_params(axis="x", labelsize=5.5)
    axis.set_ylabel("error: bars mean |·|, marks mean")
    axis.set_title("at the best step, s = 1, 3, 10")


def draw_order(axis: Axes, table: pd.DataFrame) -> None:
    """Order preservation rate over step sizes."""
    for sampler, name in NAMES.items():
        part = table[table.sampler == sampler]
        rates = part.groupby("step_size")[["lambda_hat", "reference"]].apply(
            lambda rows: order_preservation(rows.lambda_hat.to_numpy(), rows.reference.to_numpy())
        )
        axis.plot(
            rates.index, rates, MARKERS[sampler] + "-", color=LOOK[sampler], markersize=3.5,
            label=name,
        )  # fmt: skip
    axis.axhline(0.5, color=CONTROL, linewidth=0.7, linestyle=":")
    axis.set(xscale="log", ylim=(0.3, 1.02))
    axis.set_xlabel("step size ε")
    axis.set_ylabel("pairs in the right order")
    axis.set_title("order preservation, s = 1")


def draw_traces(axis: Axes, table: pd.DataFrame) -> None:
    """Binned traces of SGLD on one network, by step size; the level of exact draws."""
    part = table[table.sampler == "sgld"]
    sizes = sorted(part.step_size.unique())
    for place, size in enumerate(sizes):
        trace = part[part.step_size == size]
        shade = plt.get_cmap("viridis")(0.9 * place / max(1, len(sizes) - 1))
        axis.plot(trace.draw, trace.value, color=shade, linewidth=0.9, label=f"ε = {size:g}")
    level = part.reference.iloc[0]
    axis.axhline(level, color=THEORY, linewidth=0.8)
    axis.set_ylim(0, 3 * level)
    axis.set_xlabel("step")
    axis.set_ylabel("nβ (L − L*)")
    axis.set_title("traces of SGLD, one network")
    axis.legend(fontsize=5.5, ncol=2)


def draw_bias(axis: Axes, table: pd.DataFrame) -> None:
    """SGLD on one-dimensional Gaussians over the step, with its closed form; temperatures."""
    line = table[table.kind == "step"].assign(ratio=lambda rows: rows.lambda_hat / rows.exact)
    finite = line[np.isfinite(line.ratio)]
    axis.plot(finite.step_size, finite.ratio, "o", color=LOOK["sgld"], markersize=2.5, alpha=0.6)
    grid = np.linspace(0, 3.95, 200)
    axis.plot(grid, 1 / (1 - grid / 4), color=THEORY, linewidth=0.8, label="1 / (1 − εκ/4)")
    gone = line[~np.isfinite(line.ratio)].step_size.unique()
    axis.axvspan(4, 4.4, color=CONTROL, alpha=0.4, linewidth=0)
    axis.plot(gone, np.full(len(gone), 1.2), "x", color=LOOK["sgld"], label="all chains diverged")
    temperatures = table[table.kind == "temperature"]
    for place, sampler in enumerate(temperatures.sampler.unique()):
        rows = temperatures[temperatures.sampler == sampler]
        ratio = (rows.lambda_hat / rows.exact).to_numpy()
        at = 0.06 + 0.07 * place
        axis.plot(
            np.full(len(ratio), at), ratio, MARKERS[sampler], color=LOOK[sampler], markersize=2.5
        )
    axis.axhline(2, color=CONTROL, linewidth=0.7, linestyle=":")
    axis.text(4.3, 2.04, "wrong temperature", color=CONTROL, fontsize=6, ha="right")
    axis.set(xlim=(0, 4.4), ylim=(0.8, 60), yscale="log")
    axis.set_yticks([1, 2, 5, 10, 50], ["1", "2", "5", "10", "50"])
    axis.set_yticks([], minor=True)
    axis.set_xlabel("step size × curvature, εκ")
    axis.set_ylabel("λ̂ / exact, Gaussian targets")
    axis.set_title("finite steps and temperature")
    axis.legend(fontsize=6, loc="upper left", bbox_to_anchor=(0.15, 1))


def draw_noisy(axis: Axes, table: pd.DataFrame, gradient: str) -> None:
    """Mean absolute error over step sizes where labels are noisy, with 90 % intervals."""
    for sampler, name in NAMES.items():
        part = table[table.sampler == sampler]
        if part.empty:
            continue
        mean = _mean_errors(part)["absolute"]
        spread = part.groupby("step_size")["error"].apply(lambda rows: rows.abs().std(ddof=1))
        half = student.ppf(0.95, part.network.nunique() - 1) * spread
        half = half / part.groupby("step_size")["error"].count() ** 0.5
        axis.errorbar(
            mean.index, mean, np.minimum(half, mean * 0.9), fmt=MARKERS[sampler] + "-",
            color=LOOK[sampler], markersize=3.5, elinewidth=0.8, label=name,
        )  # fmt: skip
    axis.axhline(0.2, color=CONTROL, linewidth=0.7, linestyle=":")
    axis.set(xscale="log", yscale="log", ylim=(0.01, 5))
    axis.set_yticks([0.01, 0.03, 0.1, 0.2, 0.5, 1, 3], ["1 %", "3", "10", "20", "50", "100", "300"])
    axis.set_yticks([], minor=True)
    axis.set_xlabel("step size ε")
    axis.set_ylabel("mean |error| to exact draws")
    of = {"minibatch": "minibatches of 500", "full": "control: all data"}[gradient]
    axis.set_title(f"noisy labels, {of}")
    if gradient == "minibatch":
        axis.legend(loc="upper left", fontsize=6)


def draw_coverage(axis: Axes, table: pd.DataFrame) -> None:
    """Share of targets of known value that intervals of each level cover, one curve a sampler."""
    axis.plot([0, 1], [0, 1], color=THEORY, linewidth=0.8, label="calibrated")
    for sampler in (name for name in NAMES if name in set(table.sampler)):
        levels = table[table.sampler == sampler].level.fillna(1.0)  # diverged: covers nothing
        name = f"{NAMES[sampler]} ({len(levels)})"
        style = "--" if sampler == "rmsprop" else "-"
        axis.plot(*share_below(levels), style, color=LOOK[sampler], label=name)
    axis.axvline(0.9, color="0.8", linewidth=0.7, zorder=0)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.set_xlabel("level of the interval of λ̂")
    axis.set_ylabel("share covering the truth")
    axis.set_title("calibration on known targets")
    axis.legend(loc="upper left", fontsize=6, handlelength=1.6)

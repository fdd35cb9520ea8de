"""Figure 10: Bayesian influence functions against closed forms, retraining and translations."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stagewise.figures.bif_retraining import draw_differences, draw_scores, draw_settings
from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter, logarithmic, panels

CORPORA = {
    "related": ("translations share contexts", COLOURS[0]),
    "unrelated": ("control: contexts of their own", COLOURS[1]),
    "permuted": ("control: permuted draws", CONTROL),
}


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts."""
    figure = plt.figure(figsize=(WIDTH, 13.2), layout="constrained")
    axes = panels(figure, (3, 3, 2, 2))
    draw_covariances(axes[0], tables["regression"])
    draw_deviations(axes[1], tables["regression"])
    draw_responses(axes[2], tables["regression"])
    draw_differences(axes[3], tables["retraining"])
    draw_settings(axes[4], tables["retraining"])
    draw_cost(axes[5], tables["cost"])
    draw_scores(axes[6], tables["retraining"], "digits, retrained on subsets")
    draw_scores(axes[7], tables["finetuning"], "language model, fine-tuned on subsets")
    draw_translations(axes[8], tables["translations"])
    draw_rates(axes[9], tables["translations"])
    letter(axes)
    return figure


def draw_covariances(axis: Axes, table: pd.DataFrame) -> None:
    """Sampled covariances against the closed form, and where the step is left out of it."""
    pairs = table[table.kind == "covariance"]
    for colour, (size, part) in zip(COLOURS, pairs.groupby("step_size"), strict=False):
        name = f"step {size:g} / curvature"
        axis.plot(part.exact, part.sampled, "o", color=colour, markersize=2, label=name)
    largest = pairs[pairs.step_size == pairs.step_size.max()]
    axis.plot(
        largest.plain, largest.sampled, ".", color=CONTROL, markersize=2, zorder=0,
        label="the larger step, left out of the formula",
    )  # fmt: skip
    ends = [pairs.exact.min(), pairs.exact.max()]
    axis.plot(ends, ends, color=THEORY, linewidth=0.7)
    axis.set_xlabel("Cov(lᵢ, lⱼ) in closed form")
    axis.set_ylabel("sampled")
    axis.set_title("linear regression, pairs of samples")
    axis.legend(loc="upper left", fontsize=6)


def draw_deviations(axis: Axes, table: pd.DataFrame) -> None:
    """How the covariance turns into the damped influence function."""
    part = table[table.kind == "deviation"].sort_values("nbeta")
    start = part.iloc[0]
    axis.plot(
        part.nbeta, start.deviation * start.nbeta / part.nbeta, color=THEORY, linewidth=0.8,
        label="1 / nβ",
    )  # fmt: skip
    axis.plot(part.nbeta, part.deviation, "o", color=COLOURS[0], markersize=4)
    axis.set(xscale="log", yscale="log")
    axis.set_xlabel("nβ at fixed γ / nβ")
    axis.set_ylabel("relative distance of nβ Cov")
    axis.set_title("to the damped influence function")
    axis.legend(fontsize=7)


def draw_responses(axis: Axes, table: pd.DataFrame) -> None:
    """What more weight on a sample does, against the covariance."""
    part = table[table.kind == "response"]
    axis.plot(part.exact, part.sampled, "o", color=COLOURS[2], markersize=2.5)
    ends = [part.exact.min(), part.exact.max()]
    axis.plot(ends, ends, color=THEORY, linewidth=0.7)
    axis.set_xlabel("−(nβ/n) Cov(lᵢ, lⱼ), sampled")
    axis.set_ylabel("dE[lⱼ] / dbᵢ, sampled with bᵢ changed")
    axis.set_title("fluctuation and response")


def draw_translations(axis: Axes, table: pd.DataFrame) -> None:
    """Correlations of translations and of other pairs of words."""
    part = table[table.corpus == "related"]
    values = part.correlation.dropna()
    edges = np.linspace(values.min(), values.max(), 30).tolist()
    for own, colour, name in ((False, CONTROL, "other pairs"), (True, COLOURS[0], "translations")):
        chosen = part[part.translation == own].correlation.dropna()
        axis.hist(
            chosen, edges, density=True, color=colour, alpha=0.7, label=f"{name} ({len(chosen)})"
        )
    axis.axvline(0, color=THEORY, linewidth=0.6)
    axis.locator_params(axis="x", nbins=6)
    axis.set_xlabel("mean posterior correlation of their tokens")
    axis.set_ylabel("density over pairs of words")
    axis.set_title("planted translations")
    axis.legend(loc="upper right", fontsize=6)


def draw_rates(axis: Axes, table: pd.DataFrame) -> None:
    """How well correlations tell translations, in both corpora and with permuted draws."""
    for corpus, (name, colour) in CORPORA.items():
        part = table[(table.corpus == corpus) & table.correlation.notna()]
        ordered = part.sort_values("correlation", ascending=False).translation.to_numpy(dtype=bool)
        found, wrong = np.cumsum(ordered) / ordered.sum(), np.cumsum(~ordered) / (~ordered).sum()
        axis.plot(wrong, found, color=colour, label=f"{name}: {np.trapezoid(found, wrong):.2f}")
    axis.plot([0, 1], [0, 1], color=THEORY, linewidth=0.6, linestyle=":")
    axis.set(xlim=(0, 1), ylim=(0, 1.02))
    axis.set_xlabel("other pairs above the threshold")
    axis.set_ylabel("translations above it")
    axis.set_title("told by correlation (area)")
    axis.legend(loc="lower right", fontsize=6)


def draw_cost(axis: Axes, table: pd.DataFrame) -> None:
    """Seconds of one core over parameters."""
    names = {"bif": "BIF, 100 draws", "ekfac": "EK-FAC", "fit": "its fit", "score": "its scores"}
    for number, (column, name) in enumerate(names.items()):
        found = table.groupby("parameters")[column]
        middle = found.median()
        style = {"fit": "--", "score": ":"}.get(column, "o-")
        colour = COLOURS[number] if number < 2 else COLOURS[1]
        axis.plot(middle.index, middle, style, color=colour, label=name, linewidth=1)
        axis.fill_between(
            middle.index, found.min(), found.max(), color=colour, alpha=0.2, linewidth=0
        )
    logarithmic(axis)
    axis.set(xscale="log", yscale="log")
    axis.set_xlabel("parameters")
    axis.set_ylabel("seconds of one core")
    axis.set_title("cost of 40 images on 20 queries")
    axis.legend(fontsize=6)

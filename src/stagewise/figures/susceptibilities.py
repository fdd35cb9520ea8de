"""Figure 4: susceptibilities, their closed forms, and the heads of language models."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter
from stagewise.figures.susceptibilities_language import (
    draw_ablation,
    draw_axes,
    draw_classes,
    draw_fragility,
    draw_loadings,
    draw_plane,
    draw_probes,
    draw_reliability,
)
from stagewise.figures.susceptibilities_text import (
    draw_domains,
    draw_passages,
    draw_pieces,
)

WAYS = {
    "restricted": ("covariance", COLOURS[0]),
    "mirrored": ("mirror images", COLOURS[2]),
    "coupled": ("coupled chains", COLOURS[1]),
}
"""Estimators of the restricted form: name and colour."""


ROWS: tuple[tuple[list[float], float], ...] = (
    ([1, 1, 1], 2.0),
    ([1.7, 1], 2.3),
    ([1, 1, 1], 2.0),
    ([1, 1, 1], 2.2),
    ([1, 1.4, 1.5], 2.2),
)
"""Widths of the panels of every row, and its height in inches."""
ABOVE, BELOW = 0.3, 0.5
"""Inches of a row's titles and of its labels."""


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One page: closed forms (a to c), the response matrix and its reliability (d, e), its axes
    (f to i), ablation and probes (j, k), and real text (l to n)."""
    height = sum(inches + ABOVE + BELOW for _, inches in ROWS)
    figure = Figure(figsize=(WIDTH, height))
    axes, top = [], height
    for widths, inches in ROWS:
        top -= ABOVE
        row = GridSpec(
            1, len(widths), figure=figure, left=0.085, right=0.985, top=top / height,
            bottom=(top - inches) / height, wspace=0.28, width_ratios=widths,
        )  # fmt: skip
        axes += [figure.add_subplot(row[place]) for place in range(len(widths))]
        top -= inches + BELOW
    gaussian, language = tables["gaussian"], tables["language"]
    draw_estimators(axes[0], gaussian)
    draw_fields(axes[1], gaussian)
    draw_product(axes[2], tables["singular"])
    draw_classes(axes[3], language)
    draw_reliability(axes[4], language)
    draw_fragility(axes[5], language)
    draw_plane(axes[6], language)
    draw_axes(axes[7], language)
    draw_loadings(axes[8], language)
    draw_ablation(axes[9], tables["ablation"])
    draw_probes(axes[10], tables["probes"])
    draw_domains(axes[-3], tables["text"])
    draw_pieces(axes[-2], tables["text"])
    draw_passages(axes[-1], tables["text"])
    letter(axes)
    return figure


def draw_estimators(axis: Axes, table: pd.DataFrame) -> None:
    """Sampled against closed form at the larger step, and where the step is left out of it."""
    samples = table[table["kind"] == "sample"]
    rows = samples[samples["step_size"] == samples["step_size"].max()]
    covariance = rows[rows["estimator"] == "restricted"]
    axis.plot(1e6 * covariance["ideal"], 1e6 * covariance["sampled"], ".", color=CONTROL,
              markersize=2, label="covariance, step left out of the form")  # fmt: skip
    for way, (name, colour) in WAYS.items():
        own = rows[rows["estimator"] == way]
        axis.plot(1e6 * own["expected"], 1e6 * own["sampled"], ".", color=colour, markersize=2,
                  label=name, alpha=0.6)  # fmt: skip
    ends = [1e6 * covariance["expected"].min(), 1e6 * covariance["expected"].max()]
    axis.plot(ends, ends, color=THEORY, linewidth=0.7)
    axis.set_xlabel("susceptibility in closed form (10⁻⁶ nats²)")
    axis.set_ylabel("sampled")
    axis.set_title("Regression: samples, three components")
    axis.legend(loc="upper left", markerscale=3, fontsize=6)


def draw_fields(axis: Axes, table: pd.DataFrame) -> None:
    """How far finite fields are from linear response."""
    rows = table[table["kind"] == "field"]
    for way, colour, name in (
        ("one_sided", COLOURS[1], "one-sided difference"),
        ("central", COLOURS[0], "central difference"),
    ):
        squares = rows.assign(
            apart=(rows[way] - rows["expected"]) ** 2, whole=rows["expected"] ** 2
        )
        sums = squares.groupby(["component", "h"])[["apart", "whole"]].sum()
        errors = (sums["apart"] / sums["whole"]) ** 0.5
        for number, (_, own) in enumerate(errors.groupby("component")):
            strengths = own.index.get_level_values("h")
            axis.plot(strengths, own, ".-", color=colour, label=None if number else name)
    axis.axhline(0.01, color=CONTROL, linewidth=0.7, linestyle=":")
    axis.axvline(0.1, color=CONTROL, linewidth=0.7, linestyle="--", label="the paper's mixtures")
    axis.set(xscale="log", yscale="log")
    axis.set_xlabel("field h: share of the probe")
    axis.set_ylabel("relative distance from −Cov")
    axis.set_title("Linear response, exact posteriors")
    axis.legend(fontsize=6)


def draw_product(axis: Axes, table: pd.DataFrame) -> None:
    """The product of two weights: sampled against the closed form and the integral."""
    rows = table[table["kind"] == "sample"]
    for way, colour, name in (
        ("", COLOURS[0], "restricted"),
        ("two_chain_", COLOURS[4], "two-chain"),
    ):
        axis.plot(1e6 * rows[f"{way}expected"], 1e6 * rows[f"{way}sampled"], "o", color=colour,
                  markersize=2.5, label=name)  # fmt: skip
    both = 1e6 * rows[["expected", "two_chain_expected"]]
    ends = [both.min().min(), both.max().max()]
    axis.plot(ends, ends, color=THEORY, linewidth=0.7)
    axis.set_xlabel("susceptibility by integration (10⁻⁶ nats²)")
    axis.set_ylabel("sampled")
    axis.set_title("y = u c x in the valley (1, 0), weight c")
    axis.legend(loc="upper left")

"""Panels on the theorem: redundancy of codes against log n, beside theory."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY

LABELS = {
    "mean": "(w₁, w₂)",
    "power1": "w",
    "product": "w₁w₂",
    "power2": "w²",
    "square": "w₁w₂²",
    "power3": "w³",
}
"""Models by f, from the largest coefficient to the smallest."""


def draw_redundancy(axis: Axes, table: pd.DataFrame) -> None:
    """Mean redundancy of the two-part code with the spread over data sets; the leading part of
    theory, through the largest n; and the code of regular models for one of them."""
    for (name, label), colour in zip(LABELS.items(), COLOURS, strict=False):
        part = table[(table.model == name) & (table.code == "two_part")]
        leading = part.leading + (part.redundancy - part.leading).iloc[-1]
        axis.plot(part.n, leading, color=THEORY, linewidth=0.8, zorder=1)
        axis.fill_between(part.n, part.low, part.high, color=colour, alpha=0.12, linewidth=0)
        # errors of the means are smaller than the points
        axis.plot(part.n, part.redundancy, "o", color=colour)
        name_of = f"{label}, λ = {part.coefficient.iloc[0]:.3g}"
        if part.multiplicity.iloc[0] > 1:
            name_of += f", m = {part.multiplicity.iloc[0]}"
        axis.plot([], [], "o", color=colour, label=name_of)
    regular = table[(table.model == "power3") & (table.code == "regular")]
    axis.plot(regular.n, regular.redundancy, "--", color=CONTROL, label="w³, regular code")
    axis.plot([], [], color=THEORY, linewidth=0.8, label="λ log n − (m−1) log log n")
    axis.set_xscale("log", base=2)
    axis.set_xlabel("samples n")
    axis.set_ylabel("redundancy of the two-part code, nats")
    axis.set_ylim(0, None)
    axis.set_title("the theorem, run")
    axis.legend(fontsize=6, loc="upper left")


def draw_slopes(axis: Axes, table: pd.DataFrame) -> None:
    """Slope between neighbouring n, with the log log column, over lambda: towards 1."""
    for (name, label), colour in zip(LABELS.items(), COLOURS, strict=False):
        for code, style in (("two_part", "-"), ("mixture", ":")):
            part = table[(table.model == name) & (table.code == code)]
            log_n = np.log(part.n.to_numpy())
            corrected = part.redundancy + (part.multiplicity - 1) * np.log(log_n)
            # over six doublings: between neighbours the slope is mostly noise
            span = min(6, len(part) - 1)
            slope = (corrected.to_numpy()[span:] - corrected.to_numpy()[:-span]) / (
                log_n[span:] - log_n[:-span]
            )
            middle = np.exp((log_n[span:] + log_n[:-span]) / 2)
            axis.plot(
                middle,
                slope / part.coefficient.iloc[0],
                style,
                color=colour,
                label=label if style == "-" else None,
            )
    axis.plot([], [], ":", color=THEORY, label="Bayesian mixture")
    axis.axhline(1, color=THEORY, linewidth=0.8)
    axis.axhspan(0.95, 1.05, color=CONTROL, alpha=0.2, linewidth=0)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("samples n, middle of six doublings")
    axis.set_ylabel("slope / λ")
    axis.set_title("slope of the redundancy")
    axis.legend(fontsize=6, ncols=2)

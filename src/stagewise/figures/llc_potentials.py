"""Panels on known potentials: estimates beside quadrature and theory, and the two components."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, THEORY


def _name(row: pd.Series) -> str:
    if row.family == "sum":
        return "Σ " + ",".join(str(int(float(power))) for power in str(row.k).split(","))
    k = "".join(str(int(float(part))) for part in str(row.k).split(","))
    h = "".join(str(int(float(part))) for part in str(row.h).split(","))
    return k if set(h) == {"0"} else f"{k};{h}"


def draw_potentials(axis: Axes, table: pd.DataFrame) -> None:
    """Every potential: asymptotic coefficient, exact value at n = 1000, SGLD and MALA."""
    names: dict[str, int] = {}
    for _, row in table.iterrows():
        names.setdefault(_name(row), len(names))
    place = np.array([names[_name(row)] for _, row in table.iterrows()])
    first = ~pd.Series(place).duplicated().to_numpy()
    axis.scatter(
        place[first], table.theory[first], marker="_", s=60, color=THEORY, label="theory, n → ∞"
    )
    axis.scatter(
        place[first],
        table.quadrature[first],
        s=26,
        facecolors="none",
        edgecolors=THEORY,
        linewidths=0.8,
        label="exact at n = 1000",
    )
    for sampler, shift, colour in (("sgld", -0.13, COLOURS[0]), ("mala", 0.13, COLOURS[1])):
        rows = (table.sampler == sampler).to_numpy()
        axis.errorbar(
            place[rows] + shift,
            table.lambda_hat[rows],
            1.65 * table.standard_error[rows],
            fmt="o",
            markersize=2.6,
            color=colour,
            label=sampler.upper(),
        )
    boundary = (table.family == "monomial").to_numpy()
    axis.axvline(place[boundary].max() + 0.5, color="0.8", linewidth=0.7)
    axis.set_xticks(range(len(names)), list(names), rotation=60, fontsize=6)
    axis.set_xlabel("monomials: exponents k; prior exponents h   |   sums Σ of powers")
    axis.set_ylabel("λ̂")
    axis.set_ylim(0, None)
    axis.set_title("known potentials")
    axis.legend(loc="upper left", ncols=2, fontsize=6)


def draw_components(axis: Axes, table: pd.DataFrame) -> None:
    """Histograms of the repeats from the two starting points, with exact values and theory."""
    edges = np.linspace(table.lambda_hat.min(), table.lambda_hat.max(), 30).tolist()
    for (start, part), colour in zip(table.groupby("start"), COLOURS, strict=False):
        where = {"line": "w* on the line", "origin": "w* at the origin"}[str(start)]
        axis.hist(part.lambda_hat, bins=edges, color=colour, alpha=0.75, label=where)
        axis.axvline(part.quadrature.iloc[0], color=THEORY, linewidth=1)
        axis.axvline(part.theory.iloc[0], color=THEORY, linewidth=1, linestyle=":")
    axis.plot([], [], color=THEORY, linewidth=1, label="exact at this n")
    axis.plot([], [], color=THEORY, linewidth=1, linestyle=":", label="theory, n → ∞")
    axis.set_xlabel("λ̂ of one chain")
    axis.set_ylabel("chains")
    axis.set_title("two components of one zero set")
    axis.legend(fontsize=6)

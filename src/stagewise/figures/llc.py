"""Figure 1: the local learning coefficient against exact theory, and what training does to it."""

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from stagewise.figures.llc_coverage import draw_coverage
from stagewise.figures.llc_deep_linear import (
    draw_approach,
    draw_identity,
    draw_samplers,
    draw_staircase,
)
from stagewise.figures.llc_potentials import draw_components, draw_potentials
from stagewise.figures.llc_training import fixed_steps, matched_loss, rescaling
from stagewise.figures.style import WIDTH, letter


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts.

    Rows: known potentials; deep linear networks; trained networks; what the intervals are worth.
    """
    figure = plt.figure(figsize=(WIDTH, 12.6), layout="constrained")
    rows = figure.add_gridspec(4, 6)
    axes = [
        figure.add_subplot(rows[0, :4]),
        figure.add_subplot(rows[0, 4:]),
        figure.add_subplot(rows[1, :2]),
        figure.add_subplot(rows[1, 2:4]),
        figure.add_subplot(rows[1, 4:]),
        figure.add_subplot(rows[2, :3]),
        figure.add_subplot(rows[2, 3:]),
        figure.add_subplot(rows[3, :2]),
        figure.add_subplot(rows[3, 2:4]),
        figure.add_subplot(rows[3, 4:]),
    ]
    draw_potentials(axes[0], tables["potentials"])
    draw_components(axes[1], tables["components"])
    draw_identity(axes[2], tables["deep_linear"])
    draw_approach(axes[3], tables["deep_linear"])
    draw_samplers(axes[4], tables["samplers"])
    fixed_steps(axes[5], tables["heuristics"])
    matched_loss(axes[6], tables["heuristics"])
    draw_staircase(axes[7], tables["staircase"])
    rescaling(axes[8], tables["rescaling"])
    draw_coverage(axes[9], tables["coverage"])
    letter(axes)
    return figure

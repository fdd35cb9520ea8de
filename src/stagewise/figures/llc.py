"""Figure 1: the local learning coefficient against exact theory, and what training does to it."""

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from stagewise.figures.llc_deep_linear import (
    draw_approach,
    draw_identity,
    draw_samplers,
    draw_staircase,
)
from stagewise.figures.llc_potentials import draw_components, draw_potentials
from stagewise.figures.style import WIDTH, letter


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts."""
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 6.4), layout="constrained")
    draw_potentials(axes[0, 0], tables["potentials"])
    draw_components(axes[0, 1], tables["components"])
    draw_identity(axes[0, 2], tables["deep_linear"])
    draw_approach(axes[1, 0], tables["deep_linear"])
    draw_samplers(axes[1, 1], tables["samplers"])
    draw_staircase(axes[1, 2], tables["staircase"])
    letter(axes.ravel())
    return figure

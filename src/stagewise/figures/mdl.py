"""Figure 2: description length and the learning coefficient, in theory and of trained networks."""

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from stagewise.figures.mdl_code import draw_redundancy, draw_slopes
from stagewise.figures.mdl_plateaus import draw_critical, draw_staircase
from stagewise.figures.style import WIDTH, letter


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts.

    Rows: the theorem; deep linear networks on plateaus.
    """
    figure = plt.figure(figsize=(WIDTH, 6.6), layout="constrained")
    rows = figure.add_gridspec(2, 6)
    axes = [
        figure.add_subplot(rows[0, :4]),
        figure.add_subplot(rows[0, 4:]),
        figure.add_subplot(rows[1, :2]),
        figure.add_subplot(rows[1, 2:4]),
        figure.add_subplot(rows[1, 4:]),
    ]
    draw_redundancy(axes[0], tables["code"])
    draw_slopes(axes[1], tables["code"])
    draw_staircase(axes[2], tables["plateaus"])
    draw_critical(axes[3], tables["plateaus"], "quantization", label="critical levels n_q")
    axes[3].set_title("quantization")
    draw_critical(axes[4], tables["plateaus"], "noise", label="1 / critical noise σ")
    axes[4].set_yscale("log")
    axes[4].set_title("Gaussian noise")
    letter(axes)
    return figure

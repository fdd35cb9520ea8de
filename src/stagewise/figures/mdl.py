"""Figure 2: description length and the learning coefficient, in theory and of trained networks."""

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from stagewise.figures.mdl_code import draw_redundancy, draw_slopes
from stagewise.figures.mdl_language import (
    draw_bytes,
    draw_controls,
    draw_correlations,
    draw_gates,
    draw_levels,
    judged,
)
from stagewise.figures.mdl_plateaus import draw_critical, draw_staircase
from stagewise.figures.mdl_runs import draw_kinds, draw_rivals, draw_runs
from stagewise.figures.style import WIDTH, letter


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts.

    Rows: the theorem; deep linear networks on plateaus; language models along their training; many
    runs compared with each other; gates, bytes and controls.
    """
    figure = plt.figure(figsize=(WIDTH, 16), layout="constrained")
    rows = figure.add_gridspec(6, 6, height_ratios=[1, 1, 1, 1, 0.2, 1])
    axes = [figure.add_subplot(rows[0, :4]), figure.add_subplot(rows[0, 4:])]
    axes += [
        figure.add_subplot(rows[row, 2 * column : 2 * column + 2])
        for row in (1, 2, 3, 5)
        for column in range(3)
    ]
    draw_redundancy(axes[0], tables["code"])
    draw_slopes(axes[1], tables["code"])
    draw_staircase(axes[2], tables["plateaus"])
    draw_critical(axes[3], tables["plateaus"], "quantization", label="critical levels n_q")
    axes[3].set_title("quantization")
    draw_critical(axes[4], tables["plateaus"], "noise", label="1 / critical noise σ")
    axes[4].set_yscale("log")
    axes[4].set_title("Gaussian noise")
    draw_levels(axes[5], tables["language"], "fixed", label="LLC, fixed γ")
    axes[5].set_title("Along training, fixed localization")
    draw_levels(axes[6], tables["language"], "relative", label="LLC, relative γ")
    axes[6].set_title("... relative localization")
    draw_correlations(axes[7], tables["language"])
    draw_runs(axes[8], tables["runs"], "fixed")
    draw_runs(axes[9], tables["runs"], "relative")
    draw_kinds(figure.add_subplot(rows[4, :]), axes[8])
    draw_rivals(axes[10], tables["runs"])
    draw_gates(axes[11], tables["language"])
    draw_bytes(axes[12], tables["bytes"], judged(tables["language"]))
    draw_controls(axes[13], tables["controls"])
    letter(axes)
    return figure

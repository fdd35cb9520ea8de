"""Figure 3: influence along training."""

from collections.abc import Mapping

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from stagewise.figures.stagewise_bif_hierarchy import (
    SPANS,
    draw_agreement,
    draw_hidden,
    draw_influence,
    draw_modes,
    draw_phases,
    draw_windows,
)
from stagewise.figures.style import WIDTH, letter


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts.

    Rows: how the hierarchy is learned; influence of dog on three items; retraining, theory and
    phases.
    """
    figure = plt.figure(figsize=(WIDTH, 9), layout="constrained")
    rows = figure.add_gridspec(3, 3)
    axes = [figure.add_subplot(rows[row, column]) for row in range(3) for column in range(3)]
    hierarchy, retraining = tables["hierarchy"], tables["retraining"]
    draw_modes(axes[0], hierarchy)
    draw_hidden(axes[1], hierarchy)
    draw_phases(axes[2], tables["phases"])
    for place, item in enumerate(SPANS):
        draw_influence(axes[3 + place], hierarchy, retraining, item, legend=place == 0)
    draw_windows(axes[6], hierarchy, retraining)
    draw_agreement(axes[7], hierarchy)
    letter(axes)
    return figure

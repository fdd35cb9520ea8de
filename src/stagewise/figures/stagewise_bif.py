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
from stagewise.figures.stagewise_bif_language import (
    BRACKETS,
    CLASSES,
    TEXT_BRACKETS,
    TEXT_CLASSES,
    draw_classes,
    draw_delimiters,
    draw_intervention,
    draw_times,
)
from stagewise.figures.style import WIDTH, letter, panels


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure from the tables of the paper's parts.

    Rows: how the hierarchy is learned; influence of dog on three items; retraining and theory;
    language models, classes of their tokens; the same on text; what is up-weighted when.
    """
    figure = plt.figure(figsize=(WIDTH, 18), layout="constrained")
    axes = panels(figure, (3, 3, 2, 3, 3, 2))
    hierarchy, retraining = tables["hierarchy"], tables["retraining"]
    draw_modes(axes[0], hierarchy)
    draw_hidden(axes[1], hierarchy)
    draw_phases(axes[2], tables["phases"])
    for place, item in enumerate(SPANS):
        draw_influence(axes[3 + place], hierarchy, retraining, item, legend=place == 0)
    draw_windows(axes[6], hierarchy, retraining)
    draw_agreement(axes[7], hierarchy)
    language, text, intervention = (tables[name] for name in ("language", "text", "intervention"))
    draw_classes(axes[8], language, "covariance", CLASSES, "Tokens of one class: covariance")
    draw_classes(axes[9], language, "correlation", CLASSES, "Tokens of one class: correlation")
    draw_delimiters(axes[10], language, BRACKETS, "Brackets")
    draw_classes(axes[11], text, "covariance", TEXT_CLASSES, "Text, one class: covariance")
    draw_classes(axes[12], text, "correlation", TEXT_CLASSES, "Text, one class: correlation")
    draw_delimiters(axes[13], text, TEXT_BRACKETS, "Text: delimiters")
    draw_intervention(axes[14], intervention)
    draw_times(axes[15], intervention)
    letter(axes)
    return figure

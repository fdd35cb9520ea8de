"""Figure 6: stages of development, of a language model and of in-context regression."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from stagewise.figures import developmental_landscape_behaviour as behaviour
from stagewise.figures import developmental_landscape_dynamics as dynamics
from stagewise.figures.developmental_landscape_stages import boundaries, staircase
from stagewise.figures.style import WIDTH, letter


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """One page: stages (a, b), what the language model does (c to e), what in-context regression
    (f, g) and a model of text do (h), and the path of the outputs (i to k)."""
    figure = Figure(figsize=(WIDTH, 12.4))
    top = GridSpec(1, 2, figure=figure, left=0.06, right=0.94, top=0.965, bottom=0.765, wspace=0.24)
    language, regression = (figure.add_subplot(top[k]) for k in range(2))
    staircase(language, tables["language_stages"], "Language model")
    staircase(regression, tables["regression_stages"], "In-context linear regression", legend=0.55)
    rows = [
        GridSpec(1, 3, figure=figure, left=0.06, right=0.94, top=t, bottom=b, wspace=0.44)
        for t, b in ((0.7, 0.53), (0.465, 0.295), (0.23, 0.04))
    ]
    axes = [figure.add_subplot(row[k]) for row in rows for k in range(3)]
    behaviour.bigrams(axes[0], tables["language_behaviour"])
    behaviour.heads(axes[1], tables["language_behaviour"])
    behaviour.copying(axes[2], tables["language_behaviour"])
    behaviour.regression(axes[3], tables["regression_behaviour"])
    behaviour.far_inputs(axes[4], tables["regression_behaviour"])
    behaviour.text(axes[5], tables["text"])
    for axis in axes[:3]:
        boundaries(axis, tables["language_stages"])
    for axis in axes[3:5]:
        boundaries(axis, tables["regression_stages"])
    paths = tables["essential_dynamics"]
    dynamics.path(axes[6], paths[paths["family"] == "language"], "Outputs, language model")
    dynamics.path(axes[7], paths[paths["family"] == "regression"], "Outputs, regression")
    dynamics.explained(axes[8], paths)
    letter([language, regression, *axes])
    return figure

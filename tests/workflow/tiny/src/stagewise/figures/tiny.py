"""The figure of the tiny paper."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from stagewise.figures.style import letter


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """a: estimates along training; b: estimates beside exact values."""
    figure, axes = plt.subplots(1, 2, figsize=(6, 3))
    axes[0].plot(tables["lines"]["step"], tables["lines"]["lambda_hat"], "o")
    axes[1].plot(tables["valleys"]["exact"], tables["valleys"]["lambda_hat"], "o")
    letter(axes)
    return figure

"""Draws benchmarks/scaling.png from benchmarks/scaling.csv.

python benchmarks/plot_scaling.py
"""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from stagewise.figures.style import COLOURS, letter, save_figure, styled

HERE = Path(__file__).parent
LINES = {"compiled": "-", "eager": "--"}
PANELS = {
    "chains": ("chains", "chains of one checkpoint"),
    "parameters": ("parameters", "parameters (two linear layers, 16 chains)"),
    "checkpoints": ("checkpoints", "checkpoints of the digits, four chains each"),
}


def draw() -> None:
    table = pd.read_csv(HERE / "scaling.csv")
    colours = dict(zip(("superposition", "deep_linear_3x8"), COLOURS, strict=False))
    with styled():
        figure, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
        for axis, (curve, (column, label)) in zip(axes, PANELS.items(), strict=True):
            shown = table[table.curve == curve]
            if curve == "parameters":
                shown = shown.assign(workload="deep_linear")
            for (name, execution), line in shown.groupby(["workload", "execution"], sort=False):
                axis.plot(
                    line[column],
                    line.microseconds,
                    LINES[execution],
                    marker="o",
                    color=colours.get(name, COLOURS[2]),
                    label=f"{name.replace('_', ' ')}, {execution}",
                )
            axis.set_xscale("log", base=10 if curve == "parameters" else 4)
            axis.set_yscale("log")
            if curve != "parameters":
                axis.set_xticks(sorted(shown[column].unique()))
                axis.minorticks_off()
                axis.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.grid(color="#e3e6ea", linewidth=0.6)
            axis.set_xlabel(label)
            axis.legend()
        axes[0].set_ylabel("microseconds per chain and step")
        letter(axes)
        save_figure(figure, HERE / "scaling.png")


if __name__ == "__main__":
    draw()

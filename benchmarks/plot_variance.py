"""Draws benchmarks/variance.png from benchmarks/variance.csv.

python benchmarks/plot_variance.py
"""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import StrMethodFormatter

from stagewise.figures.style import COLOURS, CONTROL, letter, save_figure, styled

HERE = Path(__file__).parent
SHOWN = {
    "devinterp": ("devinterp 2.0.1", COLOURS[1]),
    "devinterp_own_batches": ("devinterp, own batches for each chain", COLOURS[4]),
    "stagewise_cycled": ("stagewise, on devinterp's batches", COLOURS[5]),
    "stagewise": ("stagewise", COLOURS[3]),
    "stagewise_no_table": ("stagewise without its table, 3 chains of 4", COLOURS[2]),
    "stagewise_thinned": ("stagewise, thinned", COLOURS[0]),
    "stagewise_mirrored": ("stagewise, table, mirrored chains", COLOURS[6]),
    "stagewise_fixed_batch": ("stagewise, large fixed batch", CONTROL),
}


def draw() -> None:
    table = pd.read_csv(HERE / "variance.csv")
    names = list(table.workload.unique())
    with styled():
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(9, 0.95 * len(names) + 1.1), layout="constrained", sharey=True
        )
        for place, name in enumerate(names):
            found = table[table.workload == name].set_index("estimator")
            reference = found["mean"]["stagewise"]
            for number, (estimator, (label, colour)) in enumerate(SHOWN.items()):
                if estimator not in found.index:
                    continue
                row = found.loc[estimator]
                height = place + 0.1 * (number - 3.5)
                legend = label if place == 0 else None
                mean, error = row["mean"] / reference, 1.645 * row.standard_error / reference
                right.errorbar(mean, height, xerr=error, fmt="o", color=colour)
                if "ratio_devinterp" not in row:
                    continue
                ratio = row.ratio_devinterp
                span = [[ratio - row.ratio_low], [row.ratio_high - ratio]]
                left.errorbar(
                    ratio,
                    height,
                    xerr=None if pd.isna(row.ratio_low) else span,
                    fmt="o",
                    color=colour,
                    label=legend,
                )
        for axis in (left, right):
            axis.axvline(1, color=CONTROL, linewidth=0.8, zorder=0)
            axis.grid(axis="x", color="#e3e6ea", linewidth=0.6)
        left.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        left.set_ylim(len(names) - 0.5, -0.5)
        left.set_xscale("log")
        left.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        left.set_xlabel("devinterp's variance over the estimator's (right is better)")
        right.set_xlabel("mean over that of stagewise (90 % intervals)")
        figure.legend(loc="outside upper center", ncol=4)
        letter((left, right))
        save_figure(figure, HERE / "variance.png")


if __name__ == "__main__":
    draw()

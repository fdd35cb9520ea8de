"""Draws benchmarks/engine.png from benchmarks/engine.csv.

python benchmarks/plot.py
"""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from stagewise.figures.style import COLOURS, CONTROL, save_figure, styled

HERE = Path(__file__).parent
SHOWN = {
    "ours_us": ("stagewise", COLOURS[0], "o"),
    "ours_eager_us": ("stagewise, one operation after another", COLOURS[5], "o"),
    "jax_us": ("JAX, jit of scan and vmap", COLOURS[4], "o"),
    "devinterp_us": ("devinterp 2.0.1", COLOURS[1], "o"),
    "bare_gradient_us": ("bare gradient", CONTROL, "|"),
}


def main() -> None:
    table = pd.read_csv(HERE / "engine.csv")
    with styled():
        figure, axis = plt.subplots(figsize=(9, 0.32 * len(table) + 1), layout="constrained")
        for place, row in enumerate(table.to_dict("records")):
            for column, (_, colour, marker) in SHOWN.items():
                axis.plot(row[column], place, marker, color=colour, markersize=5)
        for label, colour, marker in SHOWN.values():
            axis.plot([], [], marker, color=colour, label=label)
        labels = [
            f"{row.workload}, {row.chains} chain{'s' if row.chains > 1 else ''}"
            for row in table.itertuples()
        ]
        axis.set_yticks(range(len(table)), labels)
        axis.invert_yaxis()
        axis.set_xscale("log")
        axis.grid(axis="x", color="#e3e6ea", linewidth=0.6)
        axis.set_xlabel("microseconds per chain and SGLD step (two threads; left is faster)")
        axis.margins(y=0.02)
        handles, labels = axis.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncol=5)
        save_figure(figure, HERE / "engine.png")


if __name__ == "__main__":
    main()

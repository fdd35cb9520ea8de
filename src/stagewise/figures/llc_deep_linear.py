"""Panels on deep linear networks: identity line, approach over n, samplers, staircase."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY


def draw_identity(axis: Axes, table: pd.DataFrame) -> None:
    """Estimate against exact coefficient, with half the number of parameters for contrast."""
    largest = table[(table.kind == "gibbs") & (table.n <= 1e8)].n.max()
    smallest = table[table.kind == "balanced"].n.min()
    shown = (
        ("generic points, SGLD", table[table.kind == "generic"], "half_jacobian_rank", "o"),
        (
            "balanced points, exact draws",
            table[(table.kind == "gibbs") & (table.n == largest)],
            "aoyagi",
            "s",
        ),
        (
            "balanced points, SGLD",
            table[(table.kind == "balanced") & (table.n == smallest)],
            "aoyagi",
            "^",
        ),
        ("random ranks, SGLD", table[table.kind == "random_rank"], "aoyagi", "D"),
    )
    for (label, part, truth, marker), colour in zip(shown, COLOURS, strict=False):
        part = part[part[truth] > 0]
        axis.plot(
            part[truth], part.dimension / 2, marker=".", linestyle="", color=CONTROL, markersize=2
        )
        axis.errorbar(
            part[truth],
            part.lambda_hat,
            1.65 * part.standard_error,
            fmt=marker,
            markersize=2.8,
            color=colour,
            alpha=0.8,
            label=label,
        )
    axis.plot([], [], marker=".", linestyle="", color=CONTROL, label="d/2")
    exact = np.concatenate([part[truth] for _, part, truth, _ in shown])
    ends = np.array([exact[exact > 0].min() * 0.8, exact.max() * 1.25])
    axis.plot(ends, ends, color=THEORY, linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(*ends)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if ends[0] <= tick <= ends[1]]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set_xticks([], minor=True)
    axis.set_ylim(ends[0] * 0.7, table.dimension.max())
    axis.set_xlabel("exact coefficient λ")
    axis.set_ylabel("λ̂")
    axis.set_title("deep linear networks")
    axis.legend(fontsize=5.8, loc="upper left")


def draw_approach(axis: Axes, table: pd.DataFrame) -> None:
    """Share of Aoyagi's coefficient that exact sampling and SGLD reach, over n."""
    gibbs = table[table.kind == "gibbs"]
    for multiple, colour, label in (
        (False, COLOURS[0], "exact draws, m = 1"),
        (True, COLOURS[1], "exact draws, m ≥ 2"),
    ):
        part = gibbs[(gibbs.multiplicity > 1) == multiple]
        for number, (_, network) in enumerate(part.groupby("network")):
            axis.plot(
                network.n,
                network.lambda_hat / network.aoyagi,
                color=colour,
                linewidth=0.6,
                alpha=0.7,
                label=label if number == 0 else None,
            )
    sgld = table[table.kind == "balanced"]
    axis.scatter(
        sgld.n * 1.25,
        sgld.lambda_hat / sgld.aoyagi,
        marker="^",
        s=8,
        color=COLOURS[2],
        alpha=0.7,
        label="SGLD",
    )
    axis.axhline(1, color=THEORY, linewidth=0.8)
    axis.set_xscale("log")
    lowest = min((sgld.lambda_hat / sgld.aoyagi).min(), (gibbs.lambda_hat / gibbs.aoyagi).min())
    axis.set_ylim(min(0.9, lowest) - 0.04, 1.22)
    axis.set_xlabel("n")
    axis.set_ylabel("λ̂ / Aoyagi's λ")
    axis.set_title("approach to theory at the most singular points")
    axis.legend(fontsize=5.8, loc="upper center", ncols=3, columnspacing=0.8, handlelength=1.4)


def draw_samplers(axis: Axes, table: pd.DataFrame) -> None:
    """Three networks, four ways of sampling the same posterior."""
    order = ["gibbs", "mala", "sgld", "minibatch"]
    labels = ["exact draws", "MALA", "SGLD", "minibatch SGLD"]
    networks = table.drop_duplicates("network")
    exact = table[table.sampler == "gibbs"].set_index("network").lambda_hat
    for place, (sampler, label) in enumerate(zip(order, labels, strict=True)):
        part = table[table.sampler == sampler].sort_values("network")
        truth = part.network.map(exact)
        axis.errorbar(
            part.network + 0.14 * (place - 1.5),
            part.lambda_hat / truth,
            [(part.lambda_hat - part.low) / truth, (part.high - part.lambda_hat) / truth],
            fmt="o",
            color=COLOURS[place],
            label=label,
        )
    axis.axhline(1, color=THEORY, linewidth=0.8)
    axis.set_xticks(
        networks.network, [f"{w}\nr = {r}" for w, r in networks[["widths", "rank"]].values]
    )
    axis.set_ylabel("λ̂ / exact draws")
    axis.margins(x=0.15, y=0.25)
    axis.set_title("SGLD against MALA")
    axis.legend(fontsize=6, ncols=2)


def draw_staircase(axis: Axes, table: pd.DataFrame) -> None:
    """Loss falling from saddle to saddle, the coefficient rising, theory at each plateau."""
    for sampler, colour, label in (
        ("gibbs", COLOURS[0], "λ̂, exact draws"),
        ("sgld", COLOURS[1], "λ̂, SGLD"),
    ):
        part = table[table.sampler == sampler].sort_values("step")
        axis.errorbar(
            part.step,
            part.lambda_hat,
            1.65 * part.standard_error,
            fmt="o",
            markersize=2,
            linewidth=0.6,
            color=colour,
            label=label,
        )
    plateaus = table[table.sampler == "plateau"]
    on = table[(table.sampler == "gibbs") & table.plateau.notna()]
    for plateau, part in on.groupby("plateau"):
        value = plateaus[plateaus.plateau == plateau].lambda_hat.iloc[0]
        axis.hlines(value, part.step.min(), part.step.max(), color=THEORY, linewidth=1.2)
    axis.plot([], [], color=THEORY, label="exact rank-k truth")
    axis.set_xlabel("training step")
    axis.set_ylabel("λ̂ of the network's own map")
    axis.set_title("saddle to saddle")
    loss = axis.twinx()
    part = table[table.sampler == "gibbs"].sort_values("step")
    loss.plot(part.step, part.loss, color=CONTROL, label="training loss")
    loss.set_ylabel("loss", color=CONTROL)
    loss.spines["right"].set_visible(True)
    loss.tick_params(colors=CONTROL)
    axis.plot([], [], color=CONTROL, label="training loss")
    axis.legend(fontsize=6, loc="center right")

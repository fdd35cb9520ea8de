"""Figure 5: phases of the toy model of superposition, in the posterior and in training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from stagewise.figures.style import CONTROL, THEORY, WIDTH, letter
from stagewise.figures.tms_training import PHASE_COLOURS, PHASES, one_run, runs, transitions

FAMILIES = {
    "four": ("4, 4+, 4++", PHASE_COLOURS["4+"]),
    "five": ("5, 5+", PHASE_COLOURS["5+"]),
    "six": ("6", PHASE_COLOURS["6"]),
    "other": ("other", CONTROL),
}


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """One page: phases (a), coefficients (b), posterior (c), training (d, e), and its transitions
    (f, g)."""
    figure = Figure(figsize=(WIDTH, 9.4))
    top = GridSpec(1, 6, figure=figure, left=0.065, right=0.985, top=0.95, bottom=0.8, wspace=0.08)
    strip = [figure.add_subplot(top[k]) for k in range(6)]
    _polygons(strip, tables["potential"])
    middle = GridSpec(1, 2, figure=figure, left=0.055, right=0.985, top=0.735, bottom=0.405)
    left = middle[0].subgridspec(2, 1, height_ratios=[5, 1], hspace=0.12)
    coefficients = figure.add_subplot(left[0])
    survivors = figure.add_subplot(left[1], sharex=coefficients)
    _coefficients(coefficients, survivors, tables["polygons"])
    posterior = figure.add_subplot(middle[1])
    _posterior(posterior, tables["posterior"])
    lower = GridSpec(
        1, 4, figure=figure, left=0.055, right=0.985, top=0.32, bottom=0.05,
        width_ratios=[1.25, 1.0, 1, 1], wspace=0.36,
    )  # fmt: skip
    training, one, estimated, exact = (figure.add_subplot(lower[k]) for k in range(4))
    runs(training, tables["descent"], tables["potential"])
    one_run(one, tables["descent"], tables["transitions"])
    transitions(estimated, exact, tables["transitions"], tables["potential"])
    letter([strip[0], coefficients, posterior, training, one, estimated, exact])
    return figure


def _polygons(axes: list[Axes], table: pd.DataFrame) -> None:
    """Columns of W as arrows, with the biases of the six outputs beside them."""
    reach = 1.08 * np.hypot(table["x"], table["y"]).max()
    for axis, phase in zip(axes, PHASES, strict=True):
        rows = table[table["phase"] == phase]
        colour = PHASE_COLOURS[phase]
        used = rows[rows["feature"] < rows["vertices"]]
        outline = pd.concat([used, used.iloc[:1]])
        axis.plot(outline["x"], outline["y"], color=colour, linewidth=0.8, alpha=0.6)
        for _, row in used.iterrows():
            axis.annotate(
                "",
                (row["x"], row["y"]),
                (0, 0),
                arrowprops={
                    "arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkA": 0, "shrinkB": 0
                },
            )  # fmt: skip
        axis.set(xlim=(-reach, 2.1 * reach), ylim=(-reach, reach), aspect="equal")
        axis.axis("off")
        loss, coefficient = rows["loss"].iloc[0], rows["coefficient"].iloc[0]
        axis.set_title(f"$L$ = {loss:.5f}   $\\lambda$ = {coefficient:g}", fontsize=8, loc="center")
        axis.text(-reach, 0.95 * reach, phase, fontsize=10, fontweight="bold", va="top")
        _biases(axis, rows, colour)


def _biases(axis: Axes, rows: pd.DataFrame, colour: str) -> None:
    """One bar a feature: filled where the feature is used."""
    inset = axis.inset_axes((0.7, 0.12, 0.25, 0.7))
    unused = (rows["feature"] >= rows["vertices"]).to_numpy()
    inset.barh(
        rows["feature"],
        rows["bias"],
        height=0.65,
        color=["white" if hollow else colour for hollow in unused],
        edgecolor=colour,
        linewidth=0.8,
    )
    inset.axvline(0, color=THEORY, linewidth=0.6)
    inset.set(xlim=(-0.75, 0.3), ylim=(5.6, -0.6), yticks=[])
    inset.set_xticks([-0.5, 0], ["-0.5", "0"])
    inset.tick_params(labelsize=5.5, length=2, pad=1)
    inset.spines["left"].set_visible(False)
    inset.set_title("biases", fontsize=6, loc="center", pad=2)


def _coefficients(axis: Axes, below: Axes, table: pd.DataFrame) -> None:
    population = table[table["source"] == "population"]
    sizes = sorted(population["n"].unique())
    columns = [("paper", n) for n in sorted(table.loc[table["source"] == "paper", "n"].unique())]
    columns += [("population", n) for n in sizes]
    for column, (source, n) in enumerate(columns):
        rows = table[(table["source"] == source) & (table["n"] == n)].set_index("phase")
        for place, phase in enumerate(PHASES):
            if phase not in rows.index:
                continue
            row, x = rows.loc[phase], column + 0.14 * (place - 2.5)
            axis.plot([x - 0.06, x + 0.06], [row["exact"]] * 2, color=THEORY, solid_capstyle="butt")
            below.bar(x, row["chains_stayed"] / row["chains"], 0.11, color=PHASE_COLOURS[phase])
            if row["chains_stayed"] < 3:
                continue
            axis.errorbar(
                x,
                row["lambda_hat_stayed"],
                yerr=[
                    [row["lambda_hat_stayed"] - row["low_stayed"]],
                    [row["high_stayed"] - row["lambda_hat_stayed"]],
                ],
                fmt="D" if source == "paper" else "o",
                color=PHASE_COLOURS[phase],
            )
    handles = [
        Line2D([], [], marker="o", linestyle="", color=PHASE_COLOURS[phase], label=phase)
        for phase in PHASES
    ]
    handles.append(Line2D([], [], color=THEORY, label="exact"))
    axis.legend(handles=handles, ncols=2, loc="upper right")
    axis.set(
        ylabel="estimate over chains that stayed",
        title="Local learning coefficients at the polygons",
    )
    axis.tick_params(labelbottom=False, bottom=False)
    names = {"paper": "SGLD on data,\nas in the paper\n", "population": ""}
    below.set_xticks(
        range(len(columns)), [f"{names[source]}$n$ = {_power(n)}" for source, n in columns]
    )
    below.set(ylim=(0, 1.05), yticks=[0, 1], ylabel="stayed")


def _power(n: float) -> str:
    exponent = int(np.floor(np.log10(n)))
    return f"${n / 10**exponent:g}\\cdot 10^{exponent}$"


def _posterior(axis: Axes, table: pd.DataFrame) -> None:
    shares = table[table["by"] == "quench"]
    data = shares[shares["source"] == "data"]
    population = shares[shares["source"] == "population"]
    hull = table[(table["by"] == "hull") & (table["source"] == "population")]
    for family, (label, colour) in FAMILIES.items():
        of_n = population.groupby("n")[family]
        axis.errorbar(
            of_n.mean().index, of_n.mean(), yerr=1.645 * of_n.sem(), fmt="o-", color=colour,
            label=label,
        )  # fmt: skip
        of_n = data.groupby("n")[family]
        axis.errorbar(
            of_n.mean().index * 1.03,
            of_n.mean(),
            yerr=1.645 * of_n.sem(),
            fmt="s:",
            markerfacecolor="white",
            linewidth=0.8,
            color=colour,
        )
        of_n = hull.groupby("n")[family]
        axis.plot(of_n.mean().index, of_n.mean(), color=colour, linestyle="--", linewidth=0.6)
    for pair, text in (("4_5", "sampled 4 to 5"), ("5_6", "sampled 5 to 6")):
        row = _crossing(table, "sampled", pair)
        if np.isfinite(row["n"]):
            axis.axvspan(row["low"], row["high"], color=CONTROL, alpha=0.4, linewidth=0)
            axis.text(row["high"] * 1.01, 0.98, text, rotation=90, va="top", fontsize=6.5)
    for source, text, dashes in (
        ("formula", "free-energy formula", "-"),
        ("formula without prior", "without prior", ":"),
        ("laplace", "Laplace, all constants", "-."),
    ):
        n = _crossing(table, source, "5_6")["n"]
        axis.axvline(n, color=THEORY, linestyle=dashes, linewidth=0.9)
        axis.text(n * 1.01, 0.98, text, rotation=90, va="top", fontsize=6.5)
    handles, _ = axis.get_legend_handles_labels()
    handles += [
        Line2D([], [], color=CONTROL, marker="s", mfc="white", ls=":", label="on data sets"),
        Line2D([], [], color=CONTROL, linestyle="--", label="by convex hull"),
    ]
    axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.125, 1.01))
    axis.set(
        xscale="log",
        xlabel="$n$",
        ylabel="share of posterior draws",
        ylim=(-0.02, 1.02),
        title="Phases of the posterior (parallel tempering)",
    )
    sizes = sorted(shares.loc[shares["source"] != "untempered", "n"].unique())
    axis.set_xticks(sizes, [f"{n:.0f}" for n in sizes])
    axis.minorticks_off()


def _crossing(table: pd.DataFrame, source: str, pair: str) -> pd.Series:
    return table[(table["source"] == source) & (table["by"] == f"crossing_{pair}")].iloc[0]

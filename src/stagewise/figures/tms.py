"""Figure 5: phases of the toy model of superposition, in the posterior and in training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from stagewise.figures.style import COLOURS, CONTROL, THEORY, WIDTH, letter

PHASES = ("4", "4+", "4++", "5", "5+", "6")
PHASE_COLOURS = {
    "4": "#8fb3de",
    "4+": "#3b6fb6",
    "4++": "#1d3f72",
    "5": "#f0a07f",
    "5+": "#c04a25",
    "6": COLOURS[2],
}
FAMILIES = {
    "four": ("4, 4+, 4++", PHASE_COLOURS["4+"]),
    "five": ("5, 5+", PHASE_COLOURS["5+"]),
    "six": ("6", PHASE_COLOURS["6"]),
    "other": ("other", CONTROL),
}
EPOCH = 50
"""Steps of an epoch: 1000 samples in batches of 20."""


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """One page: phases (a), coefficients (b), posterior (c), training (d, e), transitions (f, g)."""
    figure = Figure(figsize=(WIDTH, 10.2))
    grid = GridSpec(
        4,
        12,
        figure=figure,
        height_ratios=[1.0, 1.45, 0.35, 1.75],
        left=0.06,
        right=0.985,
        top=0.955,
        bottom=0.05,
        hspace=0.34,
        wspace=1.6,
    )
    strip = [figure.add_subplot(grid[0, 2 * k : 2 * k + 2]) for k in range(6)]
    _polygons(strip, tables["potential"])
    coefficients = figure.add_subplot(grid[1, :6])
    survivors = figure.add_subplot(grid[2, :6], sharex=coefficients)
    _coefficients(coefficients, survivors, tables["polygons"])
    posterior = figure.add_subplot(grid[1:3, 6:])
    _posterior(posterior, tables["posterior"])
    lower = grid[3, :].subgridspec(1, 4, width_ratios=[1.25, 1.05, 1, 1], wspace=0.42)
    runs, one, estimated, exact = (figure.add_subplot(cell) for cell in lower)
    _runs(runs, tables["descent"], tables["potential"])
    _one_run(one, tables["descent"], tables["transitions"])
    _transitions(estimated, exact, tables["transitions"], tables["potential"])
    letter([strip[0], coefficients, posterior, runs, one, estimated, exact])
    return figure


def _polygons(axes: list[Axes], table: pd.DataFrame) -> None:
    """Columns of W as arrows; biases as bars below, used ones filled."""
    reach = 1.15 * np.hypot(table["x"], table["y"]).max()
    for axis, phase in zip(axes, PHASES, strict=True):
        rows = table[table["phase"] == phase]
        colour = PHASE_COLOURS[phase]
        used = rows[rows["feature"] < rows["vertices"]]
        axis.plot(
            [*used["x"], used["x"].iloc[0]],
            [*used["y"], used["y"].iloc[0]],
            color=colour,
            linewidth=0.8,
            alpha=0.6,
        )
        for _, row in used.iterrows():
            axis.annotate(
                "",
                (row["x"], row["y"]),
                (0, 0),
                arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkB": 0},
            )
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axis.axis("off")
        loss, coefficient = rows["loss"].iloc[0], rows["coefficient"].iloc[0]
        axis.set_title(
            f"{phase}\n$L$ = {loss:.5f}   $\\lambda$ = {coefficient:g}", loc="center", fontsize=8
        )
        _biases(axis, rows, colour)


def _biases(axis: Axes, rows: pd.DataFrame, colour: str) -> None:
    inset = axis.inset_axes((1.0, 0.08, 0.2, 0.84))
    for place, (_, row) in enumerate(rows.iterrows()):
        unused = row["feature"] >= row["vertices"]
        inset.barh(
            place,
            row["bias"],
            height=0.65,
            color="white" if unused else colour,
            edgecolor=colour,
            linewidth=0.8,
        )
    inset.axvline(0, color=THEORY, linewidth=0.6)
    inset.set(xlim=(-0.75, 0.25), yticks=[], xticks=[-0.5, 0])
    inset.tick_params(labelsize=5.5, length=2, pad=1)
    inset.invert_yaxis()
    inset.spines["left"].set_visible(False)
    inset.set_title("bias", fontsize=6, loc="center", pad=2)


def _coefficients(axis: Axes, below: Axes, table: pd.DataFrame) -> None:
    population = table[table["source"] == "population"]
    for place, phase in enumerate(PHASES):
        rows = population[population["phase"] == phase].sort_values("n")
        shown = rows[rows["chains_stayed"] >= 2]
        dodge = 10 ** (0.075 * (place - 2.5))
        axis.errorbar(
            shown["n"] * dodge,
            shown["lambda_hat_stayed"],
            yerr=[
                shown["lambda_hat_stayed"] - shown["low_stayed"],
                shown["high_stayed"] - shown["lambda_hat_stayed"],
            ],
            fmt="o",
            color=PHASE_COLOURS[phase],
            label=phase,
        )
        for n in rows["n"]:
            axis.plot(
                [n * dodge / 1.09, n * dodge * 1.09], [rows["exact"].iloc[0]] * 2, color=THEORY
            )
        below.bar(
            rows["n"] * dodge,
            rows["chains_stayed"] / rows["chains"],
            width=rows["n"] * dodge * 0.15,
            color=PHASE_COLOURS[phase],
        )
        paper = table[(table["source"] == "paper") & (table["phase"] == phase)]
        axis.errorbar(
            paper["n"] * dodge / 3,
            paper["lambda_hat_stayed"],
            yerr=[
                paper["lambda_hat_stayed"] - paper["low_stayed"],
                paper["high_stayed"] - paper["lambda_hat_stayed"],
            ],
            fmt="D",
            markerfacecolor="white",
            color=PHASE_COLOURS[phase],
        )
    handles, _ = axis.get_legend_handles_labels()
    handles += [
        Line2D([], [], color=THEORY, label="exact"),
        Line2D(
            [], [], color=CONTROL, marker="D", markerfacecolor="white", linestyle="",
            label="paper's SGLD,\n$D_n$, n = 5000",
        ),
    ]
    axis.legend(handles=handles, ncols=2, loc="upper right")
    axis.set(
        xscale="log",
        ylabel="estimated coefficient",
        title="Local learning coefficient (MALA, chains that stayed)",
    )
    axis.tick_params(labelbottom=False)
    below.set(ylim=(0, 1.05), yticks=[0, 1], xlabel="n", ylabel="stayed")


def _posterior(axis: Axes, table: pd.DataFrame) -> None:
    shares = table[table["by"] == "quench"]
    for family, (label, colour) in FAMILIES.items():
        of_n = shares[shares["source"] == "population"].groupby("n")[family]
        mean, error = of_n.mean(), of_n.sem()
        axis.errorbar(mean.index, mean, yerr=1.645 * error, fmt="o-", color=colour, label=label)
        data = shares[shares["source"] == "data"].groupby("n")[family]
        axis.errorbar(
            data.mean().index * 1.04,
            data.mean(),
            yerr=1.645 * data.sem(),
            fmt="s",
            markerfacecolor="white",
            linestyle=":",
            linewidth=0.8,
            color=colour,
        )
        hull = table[(table["by"] == "hull") & (table["source"] == "population")]
        mean = hull.groupby("n")[family].mean()
        axis.plot(mean.index, mean, color=colour, linestyle="--", linewidth=0.7)
    for source, pair, text in (("sampled", "4_5", "4 to 5"), ("sampled", "5_6", "5 to 6")):
        row = table[(table["source"] == source) & (table["by"] == f"crossing_{pair}")].iloc[0]
        if np.isfinite(row["n"]):
            axis.axvspan(row["low"], row["high"], color=CONTROL, alpha=0.35, linewidth=0)
            axis.text(row["n"], 1.03, text, ha="center", fontsize=6.5, color="#5f6b7a")
    for source, text in (("formula", "formula"), ("formula without prior", "without\nprior")):
        row = table[table["source"] == source].iloc[0]
        axis.axvline(row["n"], color=THEORY, linestyle="-" if text == "formula" else ":")
        axis.text(row["n"] * 1.02, 0.5, text, fontsize=6.5, rotation=90, va="center")
    handles, _ = axis.get_legend_handles_labels()
    handles += [
        Line2D([], [], color=CONTROL, marker="s", markerfacecolor="white", ls=":", label="on $D_n$"),
        Line2D([], [], color=CONTROL, linestyle="--", label="by convex hull"),
    ]
    axis.legend(handles=handles, loc="center left", bbox_to_anchor=(0.0, 0.62))
    axis.set(
        xscale="log",
        xlabel="n",
        ylabel="share of posterior draws",
        ylim=(-0.02, 1.02),
        title="Posterior at inverse temperature 1 (parallel tempering)",
    )
    sizes = sorted(shares.loc[shares["source"] == "population", "n"].unique())
    axis.set_xticks(sizes, [f"{n:.0f}" for n in sizes])
    axis.minorticks_off()


def _runs(axis: Axes, table: pd.DataFrame, phases: pd.DataFrame) -> None:
    for _, rows in table.groupby("run", sort=False):
        axis.plot(rows["step"] / EPOCH, rows["loss_population"], color="#c9ced4", linewidth=0.4)
    for phase, rows in table[table["phase"].notna()].groupby("phase"):
        axis.plot(
            rows["step"] / EPOCH,
            rows["loss_population"],
            ".",
            markersize=1.6,
            color=PHASE_COLOURS[str(phase)],
        )
    _levels(axis, phases, table["phase"].dropna().unique())
    axis.set(xlabel="epoch", ylabel="population loss", title="Training from a perturbed 4-gon")


def _levels(axis: Axes, phases: pd.DataFrame, seen: np.ndarray) -> None:
    levels = phases.groupby("phase")["loss"].first()
    for phase, loss in levels.items():
        axis.axhline(loss, color=THEORY, linewidth=0.4, linestyle=(0, (6, 4)), zorder=0)
        axis.text(
            1.01, loss, str(phase), transform=axis.get_yaxis_transform(), fontsize=6.5, va="center"
        )


def _one_run(axis: Axes, table: pd.DataFrame, transitions: pd.DataFrame) -> None:
    run = transitions["run"].astype(str).value_counts().idxmax() if len(transitions) else None
    rows = table[table["run"].astype(str) == run]
    axis.plot(rows["step"] / EPOCH, rows["loss_population"], color=COLOURS[0])
    axis.set(xlabel="epoch", title="One run")
    axis.set_ylabel("population loss", color=COLOURS[0])
    twin = axis.twinx()
    twin.plot(rows["step"] / EPOCH, rows["lambda_hat"], color=COLOURS[1], linewidth=0.8)
    twin.set_ylabel("short-chain estimate", color=COLOURS[1])
    twin.spines["right"].set_visible(True)


def _transitions(
    estimated: Axes, exact: Axes, table: pd.DataFrame, phases: pd.DataFrame
) -> None:
    """Arrows from before to after: loss against the estimate, and against the exact value."""
    levels = phases.groupby("phase")[["loss", "coefficient"]].first()
    for _, row in table.iterrows():
        ends = levels.loc[[str(row["before"]), str(row["after"])]]
        rises = row["estimate_change"] > 0
        estimated.annotate(
            "",
            (row["estimate_after"], ends["loss"].iloc[1]),
            (row["estimate_before"], ends["loss"].iloc[0]),
            arrowprops={
                "arrowstyle": "-|>",
                "mutation_scale": 6,
                "lw": 0.6,
                "alpha": 0.6,
                "color": COLOURS[2] if rises else COLOURS[1],
            },
        )
    points = table[["estimate_before", "estimate_after"]].to_numpy().ravel()
    if len(points):
        margin = 0.08 * np.ptp(points)
        estimated.set_xlim(points.min() - margin, points.max() + margin)
    counts = table.groupby(["before", "after"]).size() if len(table) else {}
    for (before, after), count in dict(counts).items():
        ends = levels.loc[[str(before), str(after)]]
        rises = ends["coefficient"].iloc[1] > ends["coefficient"].iloc[0]
        exact.annotate(
            "",
            tuple(ends[["coefficient", "loss"]].iloc[1]),
            tuple(ends[["coefficient", "loss"]].iloc[0]),
            arrowprops={
                "arrowstyle": "-|>",
                "mutation_scale": 9,
                "lw": 0.5 + 2.5 * count / max(counts),
                "shrinkA": 4,
                "shrinkB": 4,
                "color": COLOURS[2] if rises else COLOURS[1],
                "connectionstyle": "arc3,rad=0.12",
            },
        )
    for phase, row in levels.iterrows():
        exact.plot(row["coefficient"], row["loss"], "o", color=PHASE_COLOURS[str(phase)], ms=5)
        exact.annotate(
            str(phase), (row["coefficient"], row["loss"]), (6, 0), textcoords="offset points",
            fontsize=7, va="center",
        )
    limits = (levels["loss"].min() - 0.004, levels["loss"].max() + 0.004)
    _levels(estimated, phases, levels.index.to_numpy())
    estimated.set(
        ylim=limits, xlabel="short-chain estimate", ylabel="loss level", title="Transitions"
    )
    exact.set(
        ylim=limits,
        xlim=(6.7, 9),
        xlabel="exact coefficient",
        title="The same, exact",
    )
    handles = [
        Line2D([], [], color=COLOURS[2], label="coefficient rises"),
        Line2D([], [], color=COLOURS[1], label="coefficient falls"),
    ]
    estimated.legend(handles=handles, loc="lower left")

"""Panels of figure 4 on language models."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize

from stagewise.figures.style import COLOURS, CONTROL, THEORY

GATE = 0.5
SHADES = LinearSegmentedColormap.from_list("response", [COLOURS[0], "white", COLOURS[1]])
"""Negative, none, positive."""
CLASSES = (
    "markov", "first copy", "second start", "repeated", "background", "key", "triggered",
    "opening", "closing", "space", "word",
)  # fmt: skip
SHOWN = {
    "repeated": ("repeated (induction)", COLOURS[1]),
    "first copy": ("first copy", COLOURS[2]),
    "triggered": ("triggered by a rule", COLOURS[3]),
    "closing": ("closing bracket", COLOURS[4]),
    "space": ("space", COLOURS[6]),
}
"""Classes with a colour of their own; the others are grey."""
LAYERS = {0: ("first layer", COLOURS[0]), 1: ("second layer", COLOURS[1])}


def _of(table: pd.DataFrame, kind: str, when: str = "") -> pd.DataFrame:
    rows = table[table["kind"] == kind]
    return rows[rows["when"] == when] if when else rows


def draw_classes(axis: Axes, table: pd.DataFrame) -> None:
    """Heads of the first model by classes of tokens; heads in order of layer and score."""
    heads = _of(table, "head", "end")
    heads = heads[heads["seed"] == heads["seed"].min()].sort_values(["layer", "score"])
    rows = _of(table, "class")
    rows = rows[rows["seed"] == rows["seed"].min()]
    grid = rows.pivot_table(index="head", columns="class", values="mean")
    grid = grid.loc[heads["head"], [name for name in CLASSES if name in grid]]
    limit = float(np.abs(grid.to_numpy()).max()) or 1.0
    image = axis.imshow(grid, cmap=SHADES, norm=Normalize(-limit, limit), aspect="auto")
    labels = [f"{h}  {s:.2f}" for h, s in zip(heads["head"], heads["score"], strict=True)]
    axis.set_yticks(range(len(grid)), labels, fontsize=6)
    axis.set_xticks(range(grid.shape[1]), grid.columns, rotation=30, ha="right", fontsize=6.5)
    border = int((heads["layer"] == 0).sum()) - 0.5
    axis.axhline(border, color=THEORY, linewidth=1)
    axis.set_ylabel("head, and its score", labelpad=4)
    axis.set_title("Restricted susceptibility of classes (blue: expressed, red: suppressed)")
    bar = axis.figure.colorbar(image, ax=axis, pad=0.01, fraction=0.04)
    bar.set_label("mean, standard deviations of the column", fontsize=6.5)
    bar.ax.tick_params(labelsize=6)
    axis.spines[:].set_visible(False)


def draw_reliability(axis: Axes, table: pd.DataFrame) -> None:
    """What half of the chains tells of every column, by estimator and checkpoint."""
    heads = _of(table, "head")
    groups = [
        ("coupled,\nend", heads["when"] == "end", "reliability", COLOURS[1]),
        ("coupled,\nearly", heads["when"] == "early", "reliability", COLOURS[4]),
        ("covariance,\nend", heads["when"] == "end", "plain_reliability", COLOURS[0]),
        ("two-chain,\nend", heads["when"] == "end", "two_chain_reliability", CONTROL),
    ]
    random = np.random.default_rng(0)
    for place, (_, chosen, column, colour) in enumerate(groups):
        values = heads.loc[chosen, column].to_numpy()
        spread = place + random.uniform(-0.22, 0.22, len(values))
        axis.plot(spread, values, "o", color=colour, markersize=2.5, alpha=0.7)
        axis.plot([place - 0.3, place + 0.3], [np.median(values)] * 2, color=THEORY, linewidth=1.2)
    axis.axhline(GATE, color=THEORY, linewidth=0.7, linestyle=":")
    axis.text(len(groups) - 0.5, GATE, "gate", fontsize=6, ha="right", va="bottom")
    axis.set_xticks(range(len(groups)), [group[0] for group in groups], fontsize=6.5)
    axis.set_ylim(min(-0.1, heads["plain_reliability"].min() - 0.05), 1.02)
    axis.set_ylabel("correlation of two halves, each head")
    axis.set_title("Reliability of columns (bar: median)")


def draw_fragility(axis: Axes, table: pd.DataFrame) -> None:
    """The first component of the two-chain matrix against the tokens' fragility."""
    tokens = _of(table, "token")
    induction = tokens["class"] == "repeated"
    for chosen, colour, name in (
        (~induction, CONTROL, "other tokens"),
        (induction, COLOURS[1], "induction tokens"),
    ):
        own = tokens[chosen]
        axis.plot(own["fragility"], 1e3 * own["two_chain_score"], ".", color=colour, markersize=2,
                  label=name)  # fmt: skip
    heads = _of(table, "head", "end").groupby("seed").first()
    share, squared = heads["pc1_share"].mean(), heads["fragility_share"].mean()
    axis.set_xlabel("fragility F: rise where all weights move (nats)")
    axis.set_ylabel("PC1 of the two-chain matrix (10⁻³)")
    axis.set_title(f"PC1: {share:.0%} of variance, r² with F {squared:.2f}")
    axis.legend(markerscale=3, loc="upper left")


def draw_plane(axis: Axes, table: pd.DataFrame) -> None:
    """Tokens along the axis that tells induction best, and along the next best in variance."""
    tokens = _of(table, "token")
    heads = _of(table, "head", "end")
    best = int(heads.loc[heads["seed"] == heads["seed"].min(), "axis"].iloc[0])
    other = 1 if best != 1 else 2
    grey = tokens[~tokens["class"].isin(list(SHOWN))]
    axis.plot(grey[f"score_{best}"], grey[f"score_{other}"], ".", color=CONTROL, markersize=1.5,
              label="other", alpha=0.5)  # fmt: skip
    for name, (label, colour) in SHOWN.items():
        own = tokens[tokens["class"] == name]
        axis.plot(own[f"score_{best}"], own[f"score_{other}"], ".", color=colour, markersize=2.5,
                  label=label)  # fmt: skip
    scores = tokens[[f"score_{best}", f"score_{other}"]]
    low, high = scores.quantile(0.002), scores.quantile(0.998)
    axis.set_xlim(low.iloc[0], high.iloc[0])
    axis.set_ylim(low.iloc[1], high.iloc[1])
    axis.set_xlabel(f"PC{best}")
    axis.set_ylabel(f"PC{other}")
    axis.set_title("Restricted, z-scored: tokens")
    axis.legend(fontsize=5.5, markerscale=2.5, loc="best")


def draw_axes(axis: Axes, table: pd.DataFrame) -> None:
    """How well each component tells induction tokens, at the end and before."""
    rows = _of(table, "axis")
    places = 0.0
    ticks: list[float] = []
    labels: list[str] = []
    for matrix, count in (("restricted", 3), ("two_chain", 1)):
        for number in range(1, count + 1):
            own = rows[(rows["matrix"] == matrix) & (rows["axis"] == number)]
            for when, colour, shift in (("early", CONTROL, -0.17), ("end", COLOURS[1], 0.17)):
                values = own.loc[own["when"] == when, "auc"].to_numpy()
                label = {"early": "before induction", "end": "end of training"}[when]
                axis.bar(places + shift, np.median(values) - 0.5, 0.3, bottom=0.5, color=colour,
                         alpha=0.55, label=label if not ticks else None)  # fmt: skip
                axis.plot(np.full(len(values), places + shift), values, "o", color=colour,
                          markersize=2.5)  # fmt: skip
            ticks.append(places)
            labels.append(f"PC{number}\n{'restricted' if matrix == 'restricted' else 'two-chain'}")
            places += 1
    axis.set_xticks(ticks, labels, fontsize=6.5)
    axis.axhline(0.7, color=THEORY, linewidth=0.7, linestyle=":")
    axis.set_ylim(0.5, 1)
    axis.set_ylabel("AUC of induction tokens")
    axis.set_title("Told by a component (bar: median seed)")
    axis.legend(fontsize=6, loc="upper left")


def draw_loadings(axis: Axes, table: pd.DataFrame) -> None:
    """Loadings on the axis of induction against what heads do."""
    rows = _of(table, "head", "end")
    columns = [f"loading_{number}" for number in range(1, 4) if f"loading_{number}" in rows]
    loadings = rows[columns].to_numpy()
    rows = rows.assign(loading=loadings[np.arange(len(rows)), rows["axis"].astype(int) - 1])
    for layer, (name, colour) in LAYERS.items():
        own = rows[rows["layer"] == layer]
        axis.plot(own["score"], own["loading"].abs(), "o", color=colour, markersize=3, label=name)
    axis.set_xlabel("previous-token (first) or prefix score (second layer)")
    axis.set_ylabel("size of the loading")
    axis.set_title("Loadings on that component, all seeds")
    axis.legend(fontsize=6)


def draw_ablation(axis: Axes, table: pd.DataFrame) -> None:
    """Correlation with ablation of every head, by score; filled where of the circuit."""
    for layer, (name, colour) in LAYERS.items():
        for way, marker in (("zero", "o"), ("mean", "s")):
            own = table[(table["layer"] == layer) & (table["way"] == way)]
            inside = own[own["circuit"].astype(bool)]
            outside = own[~own["circuit"].astype(bool)]
            label = f"{name}, {way}"
            axis.plot(outside["score"], outside["pearson"], marker, color=colour, markersize=3.2,
                      markerfacecolor="none", linestyle="none", label=label)  # fmt: skip
            axis.plot(inside["score"], inside["pearson"], marker, color=colour, markersize=3.2,
                      linestyle="none")  # fmt: skip
    axis.axhspan(-0.3, 0.3, color=CONTROL, alpha=0.15, linewidth=0)
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.set_ylim(-1, 1)
    axis.set_xlabel("score of the head (filled: of the circuit)")
    axis.set_ylabel("correlation over tokens")
    axis.set_title("Against ablation of the head")
    axis.legend(fontsize=6, ncols=2, loc="upper center")


def draw_probes(axis: Axes, table: pd.DataFrame) -> None:
    """Sums of tokens against runs on mixed data, from chains apart."""
    for colour, (probe, own) in zip(COLOURS, table.groupby("probe"), strict=False):
        axis.plot(1e6 * own["scaled_apart"], 1e6 * own["tokens_apart"], "o", color=colour,
                  markersize=2.5, label=str(probe), alpha=0.8)  # fmt: skip
    ends = 1e6 * np.array([table["scaled_apart"].min(), table["scaled_apart"].max()])
    axis.plot(ends, 10 * ends, color=THEORY, linewidth=0.7, label="slope 10")
    axis.set_xlabel("on data of which a tenth is the probe (10⁻⁶ nats²)")
    axis.set_ylabel("mean over the probe's tokens (10⁻⁶ nats²)")
    axis.set_title("Probes: heads of all seeds, chains apart")
    axis.legend(fontsize=6)

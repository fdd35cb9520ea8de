"""Panels of figure 10 on retrained classifiers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, THEORY

NAMES = {
    "gradients": "gradient products",
    "trak": "TRAK, one model",
    "kfac": "K-FAC",
    "ekfac": "EK-FAC",
}
LOOK = {
    "bif": COLOURS[0],
    "normalised": COLOURS[4],
    "best": COLOURS[2],
    "ekfac": COLOURS[1],
    "kfac": COLOURS[3],
    "trak": COLOURS[6],
    "gradients": COLOURS[5],
}


def _with_best(table: pd.DataFrame) -> pd.DataFrame:
    """The exact influence function of the best damping, as `best`, for those of every damping."""
    exact = table[table.attribution.str.startswith("damped")]
    best = exact.loc[exact.groupby("share")["score"].idxmax()].assign(attribution="best")
    return pd.concat([table[~table.attribution.str.startswith("damped")], best])


def _named(main: str) -> dict[str, tuple[str, str]]:
    """Attribution -> its name and colour, in the order of the legends."""
    return {
        main: ("BIF", LOOK["bif"]),
        main.replace("bif", "normalised"): ("BIF, normalised", LOOK["normalised"]),
        "best": ("Gauss-Newton, best damping", LOOK["best"]),
        **{key: (name, LOOK[key]) for key, name in reversed(NAMES.items())},
    }


def draw_scores(axis: Axes, table: pd.DataFrame, title: str) -> None:
    """Scores over the size of subsets, between permuted draws and the ceiling, if there is one."""
    shown = _with_best(table)
    ceiling = shown[shown.attribution == "ceiling"].sort_values("share")
    if len(ceiling):
        axis.fill_between(
            ceiling.share, ceiling.score, 1, color="0.93", linewidth=0, label="above the ceiling"
        )
    for attribution, (name, colour) in _named(table.main.iloc[0]).items():
        part = shown[shown.attribution == attribution].sort_values("share")
        if part.empty:
            continue
        style = "o-" if attribution == table.main.iloc[0] else "o--"
        axis.errorbar(
            part.share, part.score, [part.score - part.low, part.high - part.score], fmt=style,
            color=colour, label=name, linewidth=1, elinewidth=0.7,
        )  # fmt: skip
    part = shown[shown.attribution == "permuted"].sort_values("share")
    axis.plot(part.share, part.score, "x-", color=CONTROL, label="permuted draws", linewidth=0.8)
    axis.axhline(0, color=THEORY, linewidth=0.5)
    axis.set(ylim=(-0.62, 1.0), xticks=sorted(table.share.unique()))
    axis.set_yticks(np.arange(-0.2, 1.1, 0.2))
    axis.set_xlabel("size of the subsets, % of the data")
    axis.set_ylabel("linear datamodelling score")
    axis.set_title(title)
    axis.legend(fontsize=5.5, ncol=2, loc="lower center")


def draw_differences(axis: Axes, table: pd.DataFrame) -> None:
    """By how much the covariance is ahead of every other attribution."""
    shown, shares = _with_best(table), sorted(table.share.unique())
    main = table.main.iloc[0]
    others = {key: value for key, value in _named(main).items() if key != main}
    for number, (attribution, (name, colour)) in enumerate(others.items()):
        part = shown[shown.attribution == attribution].sort_values("share")
        at = np.arange(len(shares)) + 0.12 * (number - (len(others) - 1) / 2)
        axis.errorbar(
            at, part.behind, [part.behind - part.behind_low, part.behind_high - part.behind],
            fmt="o", color=colour, label=name, elinewidth=0.9,
        )  # fmt: skip
    axis.axhline(0, color=THEORY, linewidth=0.6)
    axis.set_xticks(range(len(shares)), [f"{share:g} %" for share in shares])
    axis.set_xlabel("size of the subsets")
    axis.set_ylabel("score of BIF less that of …")
    axis.set_title("differences, 90 % over subsets")
    axis.legend(fontsize=5.5, ncol=2, loc="upper center")
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.3 * (high - low))


def draw_settings(axis: Axes, table: pd.DataFrame) -> None:
    """Covariances of other samplings, and of none of the loss, where gradients should return."""
    shares = sorted(table.share.unique())
    samplings = [name for name in table.attribution.unique() if name.startswith("bif ")]
    order = [*samplings, "gradients"]
    shades = [COLOURS[0], COLOURS[2], COLOURS[1], COLOURS[3]]
    for number, share in enumerate(shares):
        part = table[table.share == share].set_index("attribution").reindex(order)
        at = np.arange(len(order)) + 0.18 * (number - (len(shares) - 1) / 2)
        axis.errorbar(
            at, part.score, [part.score - part.low, part.high - part.score], fmt="o",
            color=shades[number % len(shades)], label=f"{share:g} %", elinewidth=0.8,
        )  # fmt: skip
    first = table.drop_duplicates("attribution").set_index("attribution")
    labels = [f"nβ {first.nbeta[name]:g}\nγ {first.localization[name]:g}" for name in samplings]
    axis.set_xticks(range(len(order)), [*labels, "gradient\nproducts"], fontsize=6)
    axis.set_ylabel("linear datamodelling score")
    axis.set_title("temperature nβ and localization γ")
    axis.legend(fontsize=6, title="subsets", title_fontsize=6)

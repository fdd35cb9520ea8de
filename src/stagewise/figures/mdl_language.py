"""Panels on language models along their training: LLC, critical amounts, bytes, controls."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stagewise.figures.style import COLOURS, CONTROL, logarithmic

LABELS = {
    "fixed": "LLC, fixed γ",
    "relative": "LLC, relative γ",
    "norm": "norm",
    "trace": "Hessian trace",
    "relative_trace": "relative trace",
    "minus_loss": "minus loss",
    "log_step": "step",
}
"""Of the predictors."""
SCHEMES = {
    "quantization": "levels",
    "quantile": "levels 99.9 %",
    "noise": "noise",
    "factorization": "rank",
    "pruning": "pruning",
}


def judged(table: pd.DataFrame) -> float:
    """The tolerance that claims are judged at: the middle one, in nats."""
    found = sorted(table["tolerance"].dropna().unique())
    return float(found[len(found) // 2])


def draw_levels(axis: Axes, table: pd.DataFrame, sampling: str, *, label: str) -> None:
    """Critical levels against the LLC: sizes by colour with lines fitted at the judged tolerance,
    the other tolerances pale."""
    part = table[(table["row"] == "point") & (table["scheme"] == "quantization")]
    for colour, (_, rows) in zip(COLOURS, part.groupby("run"), strict=False):
        for _, at in rows.groupby("tolerance"):
            known = at.dropna(subset=["amount"])
            chosen = bool(np.isclose(at["tolerance"].iloc[0], judged(table)))
            axis.plot(
                known[sampling],
                known["amount"],
                "o" if chosen else ".",
                color=colour,
                alpha=1 if chosen else 0.35,
                label=rows["label"].iloc[0] if chosen else None,
            )
            if chosen and len(known) > 2:
                line = np.polyfit(known[sampling], known["amount"], 1)
                ends = np.array([known[sampling].min(), known[sampling].max()])
                axis.plot(ends, np.polyval(line, ends), color=colour, linewidth=0.7)
    axis.set_xlabel(label)
    axis.set_ylabel("critical levels n_q")
    axis.legend(fontsize=6)


def draw_correlations(axis: Axes, table: pd.DataFrame) -> None:
    """Spearman's correlation of every predictor with every scheme's critical amount."""
    found = table[table["row"] == "correlation"]
    values = found.pivot_table(index="predictor", columns="scheme", values="value")
    values = values.reindex(index=list(LABELS), columns=list(SCHEMES))
    axis.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values.to_numpy()):
        colour = "white" if abs(value) > 0.6 else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6, color=colour)
    axis.set_xticks(range(len(SCHEMES)), list(SCHEMES.values()), rotation=20)
    axis.set_yticks(range(len(LABELS)), list(LABELS.values()))
    axis.set_title("Along training: rank correlations")


def draw_gates(axis: Axes, table: pd.DataFrame) -> None:
    """The LLC over what the tether alone gives, along training."""
    part = table[(table["row"] == "point")].drop_duplicates(["run", "step"])
    for colour, sampling in zip(COLOURS, ("fixed", "relative"), strict=False):
        for _, rows in part.groupby("run"):
            ordered = rows.sort_values("step")
            first = rows["run"].iloc[0] == 0
            axis.plot(
                ordered["step"],
                ordered[f"tether_ratio_{sampling}"],
                ".-",
                color=colour,
                label=LABELS[sampling] if first else None,
            )
    axis.axhline(1, color=CONTROL, linewidth=0.8)
    logarithmic(axis)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("step")
    axis.set_ylabel("LLC / (nβ Tr H / 2γ)")
    axis.set_title("Is it a Hessian trace (1)?")
    axis.legend(fontsize=6)


def draw_bytes(axis: Axes, table: pd.DataFrame, tolerance: float) -> None:
    """Rise of the loss against the bytes of the coded model, early and late checkpoints."""
    for colour, (_, rows) in zip(COLOURS, table.groupby("run"), strict=False):
        for step, style in ((rows["step"].min(), ":"), (rows["step"].max(), "-")):
            at = rows[(rows["step"] == step) & (rows["scheme"] == "quantization")]
            at = at.sort_values("bytes")
            axis.plot(
                at["bytes"] / at["float_bytes"],
                at["loss_rise"].clip(lower=1e-4),
                "o" + style,
                color=colour,
                markersize=2.5,
                label=f"step {step}" if colour == COLOURS[0] else None,
            )
    axis.axhline(tolerance, color=CONTROL, linewidth=0.8)
    axis.set_yscale("log")
    axis.set_xlabel("bytes of the coded model / of its 32-bit weights")
    axis.set_ylabel("rise of the loss (nats)")
    axis.set_title("Rate and distortion in bytes")
    axis.legend(fontsize=6)


def draw_controls(axis: Axes, table: pd.DataFrame) -> None:
    """LLC against critical levels: trained models on their way, and scrambled ones."""
    near = table[np.isclose(table["tolerance"], judged(table))]
    for weights, marker, colour in (
        ("own", "o", COLOURS[0]),
        ("permuted", "x", COLOURS[1]),
        ("gaussian", "+", COLOURS[3]),
    ):
        part = near[near["weights"] == weights]
        axis.plot(
            part["amount"],
            part["lambda_hat"],
            marker,
            color=colour,
            markersize=5,
            clip_on=False,
            label=weights,
        )
    axis.axhline(0, color=CONTROL, linewidth=0.8)
    axis.set_yscale("symlog", linthresh=10)
    axis.margins(y=0.1)
    axis.set_xlabel("critical levels n_q")
    axis.set_ylabel("LLC, fixed γ")
    axis.set_title("Controls: scrambled weights")
    axis.legend(title="weights", title_fontsize=6, fontsize=6, loc="center right")

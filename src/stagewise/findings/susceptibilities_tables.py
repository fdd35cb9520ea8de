"""Rows of figure 4's tables: heads, classes by heads, and tokens."""

import numpy as np
import pandas as pd

from stagewise.estimators.separation import folded_auc
from stagewise.findings.susceptibilities_matrices import column_reliability
from stagewise.findings.susceptibilities_model import INDUCTION, Model


def head_table(model: Model, when: str, seed: int) -> pd.DataFrame:
    """One row per head: seed, when, head, layer, score, rise; reliability of half of
    the chains (of restricted, plain and two_chain columns); and loading_1, ..., loading_3 on the
    axes of the z-scored restricted matrix, axis the number of the best for induction, and
    two_chain_loading on the first of the two-chain matrix."""
    run = model.run
    return pd.DataFrame(
        {
            "kind": "head",
            "seed": seed,
            "when": when,
            "head": run.heads,
            "layer": run.layers,
            "score": model.scores,
            "rise": run.rise,
            "reliability": column_reliability(run.restricted),
            "plain_reliability": column_reliability(run.covariance),
            "two_chain_reliability": column_reliability(run.two_chain),
            **{
                f"loading_{k + 1}": model.restricted.loadings[:, k]
                for k in range(min(3, len(run.heads)))
            },
            "axis": 1 + model.best_axis(model.known.classes == INDUCTION),
            "two_chain_loading": model.two_chain.loadings[:, 0],
            "pc1_share": model.two_chain.shares[0],
            "fragility_share": model.fragility_share,
        }
    )


def axis_table(model: Model, when: str, seed: int) -> pd.DataFrame:
    """One row per matrix (restricted, z-scored, and two_chain, centred) and principal component:
    share of the variance, auc of induction tokens (folded) and closing_auc of closing brackets."""
    rows = []
    for name, axes in (("restricted", model.restricted), ("two_chain", model.two_chain)):
        for k in range(min(4, len(axes.shares))):
            scores = axes.scores[:, k]
            rows.append(
                {
                    "kind": "axis",
                    "seed": seed,
                    "when": when,
                    "matrix": name,
                    "axis": k + 1,
                    "share": axes.shares[k],
                    "auc": folded_auc(scores, model.known.classes == INDUCTION),
                    "closing_auc": folded_auc(scores, model.known.classes == "closing"),
                }
            )
    return pd.DataFrame(rows)


def class_table(model: Model, seed: int) -> pd.DataFrame:
    """One row per head and class of tokens: mean of the z-scored restricted (mean) and two-chain
    (two_chain_mean) susceptibility, and how many tokens there are (count)."""
    parts = []
    for name in np.unique(model.known.classes):
        own = model.known.classes == name
        parts.append(
            pd.DataFrame(
                {
                    "kind": "class",
                    "seed": seed,
                    "head": model.run.heads,
                    "class": name,
                    "mean": model.z[own].mean(0),
                    "two_chain_mean": model.two_chain_z[own].mean(0),
                    "count": int(own.sum()),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def token_table(model: Model, shown: int) -> pd.DataFrame:
    """Some tokens, evenly chosen: class, score_1, ..., score_3 on the axes of the z-scored
    restricted matrix, two_chain_score on the first of the two-chain matrix, and fragility."""
    count = len(model.known.classes)
    chosen = np.unique(np.linspace(0, count - 1, min(shown, count)).astype(int))
    scores = model.restricted.scores[chosen]
    return pd.DataFrame(
        {
            "kind": "token",
            "class": model.known.classes[chosen],
            **{f"score_{k + 1}": scores[:, k] for k in range(min(3, scores.shape[1]))},
            "two_chain_score": model.two_chain.scores[chosen, 0],
            "fragility": model.run.fragility.mean(0)[chosen],
        }
    )

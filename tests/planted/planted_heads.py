"""Tables of a language model's attention heads whose answer is planted."""

from typing import Any

import numpy as np
import pandas as pd

from stagewise.findings.language_heads import scored

HEADS = [f"{layer}:{head}" for layer in (0, 1) for head in range(4)]
TYPES = ["repeats", "rules", "rules", "brackets", "repeats", "brackets", "rules", "rules"]
ABLATION = {"repeats": "repeated", "rules": "triggered", "markov": "markov", "brackets": "closing"}
STEPS = np.array([0, 4, 16, 60, 200, 500, 800, 1200, 4000])


def behaviour(seed: int, *, types: list[str] = TYPES, rules: int = 32) -> pd.DataFrame:
    """Induction forms at step 690; every head serves its source and the next one less."""
    time = 1 / (1 + (700 / np.maximum(STEPS, 1)) ** 8)
    columns: dict[str, Any] = {"step": STEPS, "seed": seed, "rules": float(rules)}
    columns["loss_triggered"] = 3.5 - 3.2 * time
    for place, (head, kind) in enumerate(zip(HEADS, types, strict=True)):
        later, copies = head.startswith("1"), kind == "repeats"
        columns[f"previous_token {head}"] = (0.9 if copies and not later else 0.1) * time
        columns[f"prefix {head}"] = (0.8 - 0.02 * place if copies and later else 0.1) * time
        columns[f"norm {head}"] = 5 + 0.1 * ((3 * place) % 8) + time
    for first in range(4):
        for second in range(4):
            columns[f"k_composition 0:{first} 1:{second}"] = 0.1 * (4 * first + second)
            columns[f"v_composition 0:{first} 1:{second}"] = 0.05 * ((5 * first + 3 * second) % 7)
    return pd.DataFrame(columns)


def ablations(seed: int, *, types: list[str] = TYPES) -> pd.DataFrame:
    """What heads serve is lost without them."""
    columns: dict[str, Any] = {"step": STEPS, "seed": seed}
    for place, (head, kind) in enumerate(zip(HEADS, types, strict=True)):
        columns[f"stored {head}"] = float(place)
        for source, name in ABLATION.items():
            columns[f"ablation_{name} {head}"] = (1.0 if source == kind else 0.1) + 0.01 * place
    return pd.DataFrame(columns)


def both(seed: int) -> pd.DataFrame:
    """Both of a run as one table."""
    return scored({"behaviour": [behaviour(seed)], "ablations": [ablations(seed)]})[0]


def llc(seed: int, values: dict[str, Any], *, steps: Any = STEPS[-1:], **columns: Any) -> Any:
    """Estimates (checkpoint,) by component, with an error of 0.1, and traces that know nothing."""
    rows = [
        {
            "component": name,
            "step": step,
            "seed": seed,
            "lambda_hat": value,
            "tether_rise": 0.02 + 0.001 * (5 * place % 8),
        }
        for place, (name, path) in enumerate(values.items())
        for step, value in zip(steps, np.broadcast_to(path, len(steps)), strict=True)
    ]
    table = pd.DataFrame(rows).assign(
        standard_error=0.1, rhat=1.0, nbeta=300.0, localization=300.0, epsilon=3e-4,
        gradient_norm=0.01, tether_ratio=0.8,
        dimension=4096,
    )  # fmt: skip
    return table.assign(low=table["lambda_hat"] - 0.2, high=table["lambda_hat"] + 0.2, **columns)

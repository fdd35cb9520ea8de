"""Claim C7: samples to copy from, up-weighted for some steps, and how soon copying is learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from stagewise.estimators.crossings import last_crossing
from stagewise.findings.measured import Measured, exact, mean_of
from stagewise.settings import SettingsError, build
from stagewise.testbeds.testbed import Points


@dataclass(frozen=True)
class Settings:
    """Arms of the experiment, and when copying counts as learned."""

    arms: dict[str, int]
    """none, start, before, window, other: the configuration of each, counted from 0."""
    windows: dict[str, list[int]]
    """First and last step of the emphasis of each arm that has one."""
    level: float
    """Share of the arm's last induction gap."""


ARMS = ("none", "start", "before", "window", "other")
"""Nothing up-weighted; repeats at the start of training, before the window in which copying begins,
and in it; another source in it."""


def measure(
    inputs: Mapping[str, list[Points]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Steps to half of the induction gap, model by model.

    inputs   trajectories, one per seed, whose index has the column induction_gap
    returns  kind `checkpoint`: seed, model, arm, step, gap; kind `time`: the step after which the
             gap stays above the level, interpolated; kind `window`: start and end of each arm's
             emphasis; kind `test`: p. Differences are of the times
             of the same initial weights and minibatches (but for what is up-weighted), mean over
             models, `intervention_` and then:
               window_less_before, window_less_none, before_less_none, window_less_other,
               window_less_start, before_less_start
               window_less_before_since    of the times counted from where each emphasis starts
               p_window_before     one-sided p of the first, paired t test
    """
    wanted = build(Settings, settings, "papers.stagewise_bif.intervention")
    if set(wanted.arms) != set(ARMS):
        raise SettingsError(f"papers.stagewise_bif.intervention.arms: name {', '.join(ARMS)}")
    if not {"before", "window"} <= set(wanted.windows):
        raise SettingsError("papers.stagewise_bif.intervention.windows: name before and window")
    named = {place: arm for arm, place in wanted.arms.items()}
    index = pd.concat([one.index for one in inputs["runs"]], ignore_index=True)
    curves = index.assign(arm=index["configuration"].map(named)).dropna(subset="arm")
    curves = curves.rename(columns={"induction_gap": "gap"})
    keys = ["seed", "model", "arm"]
    times = pd.DataFrame(
        [
            dict(zip(keys, key, strict=True))
            | {
                "step": last_crossing(
                    rows["step"], rows["gap"], wanted.level * rows["gap"].iloc[-1]
                )
            }
            for key, rows in curves.sort_values("step").groupby(keys)
        ]
    )
    by_arm = times.pivot_table(index=["seed", "model"], columns="arm", values="step", dropna=False)
    before = (by_arm["window"] - by_arm["before"]).to_numpy()
    p = float(np.asarray(ttest_1samp(before, 0, alternative="less").pvalue))
    table = pd.concat(
        [
            curves[[*keys, "step", "gap"]].assign(kind="checkpoint"),
            times.assign(kind="time"),
            pd.DataFrame(
                [
                    {"kind": "window", "arm": arm, "start": ends[0], "end": ends[1]}
                    for arm, ends in wanted.windows.items()
                ]
            ),
            pd.DataFrame([{"kind": "test", "p": p}]),
        ],
        ignore_index=True,
    )
    return table, {
        "intervention_window_less_before": mean_of(before),
        "intervention_window_less_none": mean_of(by_arm["window"] - by_arm["none"]),
        "intervention_before_less_none": mean_of(by_arm["before"] - by_arm["none"]),
        "intervention_window_less_other": mean_of(by_arm["window"] - by_arm["other"]),
        "intervention_window_less_start": mean_of(by_arm["window"] - by_arm["start"]),
        "intervention_before_less_start": mean_of(by_arm["before"] - by_arm["start"]),
        "intervention_window_less_before_since": mean_of(
            before - (wanted.windows["window"][0] - wanted.windows["before"][0])
        ),
        "intervention_p_window_before": exact(p, len(before)),
    }

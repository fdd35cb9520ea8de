"""The generic judge: a paper's claims held against what was measured."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stagewise.findings.measured import Measured
from stagewise.settings import SettingsError

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
INCONCLUSIVE = "inconclusive"
NOT_TESTED = "not tested at this scale"

COLUMNS = [
    "figure",
    "slug",
    "claim",
    "says",
    "where",
    "statistic",
    "measured",
    "low",
    "high",
    "n",
    "condition",
    "verdict",
    "note",
]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ONE_SIDED = re.compile(rf"(<=|>=|<|>)\s*({_NUMBER})")
_RANGE = re.compile(rf"in\s*\[\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\]")


@dataclass(frozen=True)
class Condition:
    """The set of values that a claim allows: an interval of the real line."""

    low: float
    high: float
    open: bool

    def holds(self, value: float) -> bool:
        """Whether the value lies in the set; never for a value that is not a number."""
        if self.open:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def margin(self, value: float) -> float:
        """Distance of the value to the nearest end."""
        return min(abs(value - end) for end in (self.low, self.high) if math.isfinite(end))


def parse_condition(text: str) -> Condition:
    """'<= 0.1', '> 0', 'in [0.95, 1.05]' as a Condition; SettingsError for anything else."""
    if match := _ONE_SIDED.fullmatch(text.strip()):
        sign, end = match[1], float(match[2])
        below = sign.startswith("<")
        return Condition(-math.inf if below else end, end if below else math.inf, len(sign) == 1)
    if match := _RANGE.fullmatch(text.strip()):
        low, high = float(match[1]), float(match[2])
        if low < high:
            return Condition(low, high, open=False)
    raise SettingsError(
        f"condition {text!r} cannot be read: expected '<= x', '>= x', '< x', '> x' "
        f"or 'in [low, high]'"
    )


def verdict(found: Measured, condition: Condition) -> tuple[str, str]:
    """The verdict, and a note that says what would decide an inconclusive one.

    With an interval: reproduced if all of it meets the condition, not reproduced if none of it
    does, else inconclusive. Without one (an exact number) the value decides.
    """
    if found.doubt:
        return INCONCLUSIVE, found.doubt
    if math.isnan(found.value):
        return INCONCLUSIVE, "the statistic is not defined on these results"
    if found.low is None or found.high is None:
        return (REPRODUCED if condition.holds(found.value) else NOT_REPRODUCED), ""
    inside = condition.holds(found.low) and condition.holds(found.high)
    if inside:
        return REPRODUCED, ""
    if found.high < condition.low or found.low > condition.high:
        return NOT_REPRODUCED, ""
    if condition.open and (found.high <= condition.low or found.low >= condition.high):
        return NOT_REPRODUCED, ""
    half, margin = (found.high - found.low) / 2, condition.margin(found.value)
    more = (half / margin) ** 2 if margin > 0 else math.inf
    wanted = f"about {more * found.n:.0f}" if more < 100 else f"over {100 * found.n}"
    return (
        INCONCLUSIVE,
        f"the 90 % interval straddles the threshold: {wanted} independent units (now {found.n}) "
        f"would decide",
    )


def judge(page: Mapping[str, Any], found: Mapping[str, Measured], *, scale: str) -> pd.DataFrame:
    """One row per claim of the page, columns COLUMNS.

    Raises SettingsError, naming the claim, for a statistic that was not measured.
    """
    rows = []
    for claim in page["claims"]:
        row = {
            "figure": page["figure"],
            "slug": page["slug"],
            "claim": claim["id"],
            "says": claim["says"],
            "where": claim["where"],
            "statistic": claim.get("statistic", ""),
            "condition": claim.get("condition", ""),
            "note": claim.get("note", ""),
        }
        if "statistic" not in claim:
            row["verdict"] = NOT_TESTED
            rows.append(row)
            continue
        if claim["statistic"] not in found:
            known = ", ".join(sorted(found))
            raise SettingsError(
                f"{page['slug']}.yaml, claim {claim['id']}: statistic {claim['statistic']!r} was "
                f"not measured; measured are {known}"
            )
        number = found[claim["statistic"]]
        row |= {"measured": number.value, "low": number.low, "high": number.high, "n": number.n}
        if scale in claim["scales"]:
            row["verdict"], why = verdict(number, parse_condition(claim["condition"]))
            row["note"] = "; ".join(filter(None, [why, row["note"]]))
        else:
            row["verdict"] = NOT_TESTED
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)

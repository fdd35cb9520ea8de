"""The generic judge: a paper's claims held against what was measured."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from stagewise.findings.condition import Condition, parse_condition
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


def verdict(found: Measured, condition: Condition) -> tuple[str, str]:
    """The verdict, and a note that says what would decide an inconclusive one.

    With an interval: reproduced if all of it meets the condition, not reproduced if none of it
    does, else inconclusive. Without one (an exact number) the value decides. Not tested where an
    optional extra is missing.
    """
    if found.missing:
        return NOT_TESTED, f"not tested: {found.missing}"
    if found.doubt:
        return INCONCLUSIVE, found.doubt
    if math.isnan(found.value):
        return INCONCLUSIVE, "the statistic is not defined on these results"
    if found.low is None or found.high is None:
        return (REPRODUCED if condition.holds(found.value) else NOT_REPRODUCED), ""
    if math.isnan(found.low) or math.isnan(found.high):
        return INCONCLUSIVE, f"no interval from {found.n} independent units: more would decide"
    inside = condition.holds(found.low) and condition.holds(found.high)
    if inside:
        return REPRODUCED, ""
    if found.high < condition.low or found.low > condition.high:
        return NOT_REPRODUCED, ""
    if condition.open and (found.high <= condition.low or found.low >= condition.high):
        return NOT_REPRODUCED, ""
    more = _more(found.value, found.low, found.high, condition)
    wanted = f"about {more * found.n:.0f}" if more < 100 else f"over {100 * found.n}"
    return (
        INCONCLUSIVE,
        f"the 90 % interval straddles the threshold: {wanted} independent units (now {found.n}) "
        f"would decide",
    )


def _more(value: float, low: float, high: float, condition: Condition) -> float:
    """How many times more units would bring the interval to one side of the ends it straddles."""
    factors = [1.0]
    for end in (condition.low, condition.high):
        if low <= end <= high:
            reach = value - low if end < value else high - value
            factors.append((reach / abs(end - value)) ** 2 if end != value else math.inf)
    return max(factors)


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

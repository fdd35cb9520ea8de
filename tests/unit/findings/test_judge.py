"""The judge: what a condition allows, and what an interval proves."""

import math
from typing import Any

import pytest

from stagewise.findings.condition import Condition, parse_condition
from stagewise.findings.judge import COLUMNS, judge, verdict
from stagewise.findings.measured import Measured, absent, exact
from stagewise.settings import SettingsError


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("<= 0.1", Condition(-math.inf, 0.1, False)),
        (">= -2", Condition(-2, math.inf, False)),
        ("< 1e-3", Condition(-math.inf, 1e-3, True)),
        ("  >.5 ", Condition(0.5, math.inf, True)),
        ("in [0.85, 0.95]", Condition(0.85, 0.95, False)),
        ("in[-1,+1.]", Condition(-1, 1, False)),
    ],
)
def test_conditions(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    "text",
    ["", "0.1", "= 0.1", "<= nan", "<= 1 or 2", "in [2, 1]", "in [1]", "in (0, 1)", ">= 1.2.3"],
)
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        parse_condition(text)


def between(low: float, high: float, n: int = 10, doubt: str = "") -> Measured:
    return Measured((low + high) / 2, low, high, n=n, doubt=doubt)


@pytest.mark.parametrize(
    ("found", "condition", "expected"),
    [
        (between(0.1, 0.3), "<= 0.3", "reproduced"),  # an end on the threshold
        (between(0.1, 0.3), "< 0.3", "inconclusive"),
        (between(0.1, 0.31), "<= 0.3", "inconclusive"),
        (between(0.31, 0.5), "<= 0.3", "not reproduced"),
        (between(0.3, 0.5), "< 0.3", "not reproduced"),
        (between(0.3, 0.5), "<= 0.3", "inconclusive"),
        (between(0.2, 0.4), "> 0.1", "reproduced"),
        (between(0.1, 0.4), "> 0.1", "inconclusive"),
        (between(-0.3, 0.1), "> 0.1", "not reproduced"),
        (between(0.86, 0.94), "in [0.85, 0.95]", "reproduced"),
        (between(0.84, 0.94), "in [0.85, 0.95]", "inconclusive"),
        (between(0.8, 0.99), "in [0.85, 0.95]", "inconclusive"),
        (between(0.7, 0.84), "in [0.85, 0.95]", "not reproduced"),
        (between(0.96, 0.99), "in [0.85, 0.95]", "not reproduced"),
        (exact(3), "<= 3", "reproduced"),
        (exact(3), "< 3", "not reproduced"),
        (exact(math.nan), "<= 3", "inconclusive"),
        (Measured(math.nan, math.nan, math.nan), "<= 3", "inconclusive"),
        (exact(math.inf), "<= 3", "not reproduced"),
        (between(0.1, 0.2, doubt="two seeds"), "<= 1", "inconclusive"),
        (between(5.0, 6.0, doubt="two seeds"), "<= 1", "inconclusive"),
    ],
)
def test_verdicts(found: Measured, condition: str, expected: str) -> None:
    assert verdict(found, parse_condition(condition))[0] == expected


def test_an_interval_that_is_not_a_number_never_decides() -> None:
    """One seed: a mean without an interval must neither reproduce nor refute."""
    one_seed = Measured(0.2, math.nan, math.nan, n=1)
    for condition in ("<= 0.3", ">= 0.3", "in [0, 1]"):
        found, note = verdict(one_seed, parse_condition(condition))
        assert found == "inconclusive"
        assert "no interval from 1 independent units" in note


def test_notes_say_what_would_decide() -> None:
    """An interval of half width 0.2 at a distance of 0.1 needs (0.2 / 0.1)^2 times the units."""
    _, note = verdict(between(0.2, 0.6, n=5), parse_condition(">= 0.3"))
    assert "about 20 independent units (now 5)" in note
    _, note = verdict(between(0.2, 0.4, n=5), parse_condition(">= 0.3"))
    assert "over 500" in note
    assert verdict(between(0, 1, doubt="too few"), parse_condition(">= 3"))[1] == "too few"


def page(**claim: Any) -> dict[str, Any]:
    base = {"id": "C1", "says": "a sentence", "where": "figure 1", "statistic": "slope"}
    base |= {"condition": ">= 1", "scales": ["default"]}
    return {"figure": 1, "slug": "llc", "claims": [{**base, **claim}]}


def test_table() -> None:
    found = {"slope": between(1.5, 2.5, n=4)}
    table = judge(page(note="why"), found, scale="default")
    assert list(table.columns) == COLUMNS
    row = table.iloc[0]
    assert (row.verdict, row.measured, row.low, row.high, row.n) == ("reproduced", 2, 1.5, 2.5, 4)
    assert row.note == "why"
    other = judge(page(), found, scale="smoke").iloc[0]
    assert other.verdict == "not tested at this scale"
    untested = page()
    untested["claims"] = [{"id": "C9", "says": "large", "where": "table 2"}]
    assert judge(untested, {}, scale="default").iloc[0].verdict == "not tested at this scale"


def test_a_statistic_nobody_measured_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"claim C1: statistic 'slope' was not measured.*other"):
        judge(page(), {"other": exact(1)}, scale="default")


def test_a_missing_extra_is_not_tested_and_named() -> None:
    found = verdict(absent("install it"), parse_condition("<= 1"))
    assert found == ("not tested at this scale", "not tested: install it")

"""Tables as pages: what stands in the file. What a click does is tested with the report."""

import re

import pandas as pd
import pytest

from stagewise.figures import claims_page
from stagewise.figures.table_page import Cell, Column, page


def cells(whole: str) -> list[tuple[str | None, str]]:
    """(what it is sorted by, inside) of every cell."""
    return [
        (order[1] if (order := re.search('data-order="(.*?)"', attributes)) else None, inside)
        for attributes, inside in re.findall(r"<td([^>]*)>(.*?)</td>", whole)
    ]


def test_text_cannot_be_markup() -> None:
    whole = page("<b>", "</p>", {Column("</th>", menu=True): [Cell("<i>", title='"')]})
    assert cells(whole) == [(None, "&lt;i&gt;")]
    for expected in ("<h1>&lt;b&gt;</h1>", "&lt;/p&gt;", 'title="&quot;"', "<option>&lt;i&gt;"):
        assert expected in whole


def test_a_column_with_a_number_is_one_of_numbers() -> None:
    whole = page("t", "", {Column("a"): [Cell("1.5", 1.5), Cell("none")]})
    assert cells(whole) == [("1.5", "1.5"), ("", "none")]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        page("t", "", {Column("a"): [Cell("1"), Cell("2")], Column("b"): [Cell("1")]})


def claim(**more: object) -> dict[str, object]:
    given = {
        "figure": 3,
        "slug": "a_paper",
        "claim": "C1",
        "says": "It is so.",
        "where": "there",
    }
    number = {"statistic": "s", "measured": 0.51234, "low": 0.4, "high": 0.6, "n": 12.0}
    verdict = {"condition": ">= 0.3", "verdict": "reproduced", "note": None}
    return {**given, **number, **verdict, **more}


def shown(**more: object) -> list[str]:
    """The texts of a claim's row."""
    whole = claims_page.draw(pd.DataFrame([claim(**more)]), "default")
    return [re.sub(r"<.*?>", "", inside) for _, inside in cells(whole)]


def test_a_claim_shows_its_number_and_interval() -> None:
    row = ["3", "a_paper", "C1", "claim", "It is so.", "there", "0.512 [0.4, 0.6]"]
    assert shown() == [*row, "&gt;= 0.3", "12", "reproduced", ""]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"low": None, "high": None}, "0.512"),
        ({"measured": None, "low": None, "high": None}, "not defined"),
        ({"statistic": None, "measured": None, "low": None, "high": None}, ""),
        ({"measured": -1234567.0, "low": None, "high": None}, "-1.23e+06"),
    ],
)
def test_numbers_that_are_missing_or_large(more: dict[str, object], text: str) -> None:
    assert shown(**more)[6] == text


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("Control: nothing happens.", "control"),
        ("... control; shuffled.", "control"),
        ("Gate: chains are stationary.", "gate"),
        ("Controls are not mentioned first by this one.", "claim"),
        ("It is so.", "claim"),
    ],
)
def test_controls_are_told_from_claims(says: str, kind: str) -> None:
    assert shown(says=says)[3] == kind


def test_the_smoke_scale_says_that_verdicts_mean_nothing() -> None:
    whole = claims_page.draw(pd.DataFrame([claim()]), "smoke")
    assert "its verdicts mean nothing" in whole
    assert "its verdicts mean nothing" not in claims_page.draw(pd.DataFrame([claim()]), "default")

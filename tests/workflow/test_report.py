"""Snakemake's report of the tiny paper, opened in a real browser."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from browser import Browser, assert_alone, opened
from copies import ROOT, Copy

from stagewise.figures.claims_page import draw as claims_page
from stagewise.figures.gallery import page as gallery_page

pytestmark = pytest.mark.workflow

REPORT = "results/report.html"
SECOND = """

use rule figure_tiny as figure_second with:
    output:
        pdf="<results>/figure98.pdf",
        png=report(
            "<results>/figure98.png",
            caption="../../report/tiny.rst",
            category="Figures",
            labels=figure_labels({**PAGES["tiny"], "figure": 98}),
        ),
"""
"""Another figure: a list of one is not sorted."""
ROWS = """Array.from(document.querySelectorAll("tbody tr:not([hidden])"),
  row => row.cells[{column}].textContent)"""


@pytest.fixture(scope="module")
def browser(finished: Copy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """With the report open."""
    copy = finished.duplicate(tmp_path_factory.mktemp("report") / "copy")
    copy.append("workflow/rules/papers/tiny.smk", SECOND)
    copy.made("results/figure98.png")
    copy.made("--report", REPORT, "all", "results/figure98.png")
    page = copy.path / REPORT
    with opened(page, "document.querySelector('nav ul') !== null", page.parent / "x") as found:
        yield found


def show(browser: Browser, category: str) -> None:
    """Goes home, to a category, and opens its first result, by what a user would click."""
    browser.value("document.querySelector('nav nav a').click()")
    items = "Array.from(document.querySelectorAll('nav ul a'))"
    item = f"{items}.find(one => one.textContent === {category!r})"
    browser.wait_for(f"{item} !== undefined")
    browser.value(f"{item}.click()")
    button = "document.querySelector('nav tbody a[iconname=eye]')"
    browser.wait_for(f"{button} !== null")
    browser.value(f"{button}.click()")


def table(browser: Browser, category: str) -> list[str]:
    """Opens a category that is a table; the names of its columns."""
    show(browser, category)
    browser.wait_for("document.querySelector('iframe') !== null")
    made = "document.getElementById('shown')?.textContent"  # its script has run
    browser.wait_for(f"document.title === {category!r} && {made}", frame=True)
    found: list[str] = browser.value(
        "Array.from(document.querySelectorAll('th'), one => one.textContent)", frame=True
    )
    return found


def rows(browser: Browser, column: int) -> list[str]:
    """Texts of a column of the table in the frame, of the rows that are shown."""
    found: list[str] = browser.value(ROWS.format(column=column), frame=True)
    return found


def test_every_figure_is_seen_with_its_caption(browser: Browser) -> None:
    show(browser, "Figures")
    image = "document.querySelector('#app > div > .grow img')"
    browser.wait_for(f"{image}?.complete && {image}.naturalWidth > 300")
    seen = browser.value(
        f"(() => {{ const box = {image}.getBoundingClientRect();"
        " return [box.width, box.height]; })()"
    )
    assert min(seen) > 100
    browser.value("document.querySelector('nav tbody a[iconname=information-circle]').click()")
    browser.wait_for("document.querySelector('nav').textContent.includes('The tiny paper.')")


def test_claims_are_sorted_and_filtered(browser: Browser) -> None:
    names = table(browser, "Claims")
    claim, verdict = names.index("claim"), names.index("verdict")
    assert rows(browser, claim) == ["regular", "valleys", "untested"]

    click = f"document.querySelectorAll('th button')[{claim}].click()"
    browser.value(click, frame=True)
    assert rows(browser, claim) == ["regular", "untested", "valleys"]
    browser.value(click, frame=True)
    assert rows(browser, claim) == ["valleys", "untested", "regular"]

    menu = f"document.querySelector('select[data-column=\"{verdict}\"]')"
    browser.value(
        f"{menu}.value = 'not tested at this scale'; {menu}.dispatchEvent(new Event('change'))",
        frame=True,
    )
    assert rows(browser, claim) == ["untested"]
    assert browser.value("document.getElementById('shown').textContent", frame=True) == "1 of 3"


def test_numbers_are_sorted_as_numbers_and_none_stands_last(browser: Browser) -> None:
    names = table(browser, "Claims")
    measured = names.index("measured [90 %]")
    for _ in range(2):
        browser.value(f"document.querySelectorAll('th button')[{measured}].click()", frame=True)
        assert rows(browser, measured)[-1] == ""


def test_reliability_has_every_set_of_draws(browser: Browser) -> None:
    names = table(browser, "Reliability")
    assert rows(browser, names.index("run")) == [
        "line/fits/seed0",
        "line/fits/seed1",
        "polynomial/valleys/seed0",
    ]
    assert rows(browser, names.index("kernel")) == ["sgld", "sgld", "mala"]
    assert rows(browser, names.index("chains")) == ["2", "2", "2"]


def test_provenance_has_every_job_behind_the_figure(browser: Browser) -> None:
    names = table(browser, "Provenance")
    rules = rows(browser, names.index("rule"))
    assert rules[0] == "figure_tiny"
    assert sorted(rules) == sorted(
        ["figure_tiny", *["train"] * 2, *["sample"] * 3, *["llc"] * 3, *["measure"] * 2]
    )
    assert sorted(rows(browser, names.index("seed"))) == [*[""] * 3, *["0"] * 5, *["1"] * 3]
    results, texts = (rows(browser, names.index(name)) for name in ("result", "settings"))
    settings = dict(zip(results, texts, strict=True))
    assert "sampling.chains = 2" in settings["line/fits/seed0/sgld/draws.nc"]


def test_nothing_is_loaded_and_nothing_fails(browser: Browser) -> None:
    """While all of the above was looked at."""
    show(browser, "Figures")
    for category in ("Claims", "Reliability", "Provenance"):
        assert table(browser, category)
    assert_alone(browser, Path(browser.value("location.pathname")))


def test_readme_counts_the_claims_of_the_gallery() -> None:
    """The last column of the table of figures, and the number before the verdicts."""
    with open(ROOT / "docs/gallery/claims.csv", newline="") as file:
        claims = list(csv.DictReader(file))
    readme = (ROOT / "README.md").read_text()
    lines = [line for line in readme.splitlines() if line.startswith("| [")]
    pages = [yaml.safe_load(p.read_text()) for p in (ROOT / "workflow/papers").glob("*.yaml")]
    for page in pages:
        line = next(line for line in lines if f"](docs/gallery/figure{page['figure']}.png)" in line)
        assert f"`{page['slug']}`" in line
        counts = dict[str, int]()
        for claim in claims:
            if claim["slug"] == page["slug"]:
                verdict = claim["verdict"].removesuffix(" at this scale")
                counts[verdict] = counts.get(verdict, 0) + 1
        order = ("reproduced", "not reproduced", "inconclusive", "not tested")
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if verdict in counts)
        assert line.split("|")[-2].strip() == said, page["slug"]
    verdicts = [claim["verdict"] for claim in claims]
    number = {verdict: verdicts.count(verdict) for verdict in set(verdicts)}
    assert (
        f"Of {len(claims)} claims and controls at the default scale, {number['reproduced']} are "
        f"reproduced, {number['not reproduced']} are not, {number['inconclusive']} are "
        f"inconclusive and {number['not tested at this scale']} are not tested."
    ) in " ".join(readme.split())


def test_gallery_shows_the_claims_beside_it() -> None:
    gallery = ROOT / "docs/gallery"
    claims = pd.read_csv(gallery / "claims.csv", keep_default_na=False)
    names = [path.name for path in gallery.iterdir()]
    assert (gallery / "README.md").read_text() == gallery_page(claims, names)


def test_claims_of_all_papers_fit_the_frame() -> None:
    """Browsers show nothing where the address of a frame, here all of the page, has over 2 MB."""
    claims = pd.read_csv(ROOT / "docs/gallery/claims.csv")
    assert len(claims_page(claims, "default").encode()) * 4 / 3 < 2e6

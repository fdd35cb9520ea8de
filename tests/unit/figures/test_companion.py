"""The companion page in a real browser: what is drawn, what the mouse shows, what is loaded."""

import base64
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import Browser, assert_alone, opened
from matplotlib.image import imread

from stagewise.figures.companion import page
from stagewise.settings import SettingsError

SEQUENCES, LENGTH, STEPS, HEADS = 6, 8, (10, 200), ("0:0", "0:1", "1:0")


DATA_OF_MAP = """
window.data_of_map = () => {
  const found = [];
  for (const {tags, data} of Bokeh.documents[0].all_models) if (tags.includes("tokens")) {
    for (const [k, token] of data.token.entries()) found[token] = [data.x[k], data.y[k]];
  }
  return found;
}
"""
"""(token, 2), from the models that draw the map."""


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    count = SEQUENCES * LENGTH
    texts = random.choice(["a", "NA", "1", " the", "\n", "<b>", "</script>", "&"], count)
    parts = [
        pd.DataFrame(
            {
                "step": step,
                "sample": np.repeat(np.arange(SEQUENCES), LENGTH),
                "token": np.tile(np.arange(LENGTH), SEQUENCES),
                "text": [json.dumps(text) for text in texts],
                "class": np.where(np.arange(count) % 3 == 0, "first", "other"),
                "source": np.repeat(["prose", "code"], count // 2),
                "x": random.permutation(count) / count,
                "y": random.standard_normal(count),
                **{head: random.standard_normal(count) for head in HEADS},
            }
        )
        for step in STEPS
    ]
    return pd.concat(parts, ignore_index=True)


def made(table: pd.DataFrame, **more: Any) -> str:
    return page(table, title="A <map>", about="Tokens.", axes=("PC1", "PC2"), **more)


@pytest.fixture(scope="module")
def browser(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """With the page open."""
    page = tmp_path_factory.mktemp("browser") / "page.html"
    page.write_text(made(table, chosen="0:1"))
    with opened(page, "document.body?.dataset.ready === 'yes'", page.with_name("profile")) as found:
        found.value(DATA_OF_MAP)
        yield found


def places(browser: Browser) -> np.ndarray:
    """(token, 2) where the tokens are on the screen, pixels."""
    return np.array(
        browser.value(
            """(() => {
            const view = [...Bokeh.index][0], box = view.el.getBoundingClientRect();
            const [across, up] = [view.frame.x_scale, view.frame.y_scale];
            return data_of_map().map(([x, y]) =>
              [box.x + across.compute(x), box.y + up.compute(y)]);
            })()"""
        )
    )


def under_mouse(browser: Browser) -> dict[str, Any]:
    """What the panel says."""
    found: dict[str, Any] = browser.value(
        """({
        place: document.getElementById("place").textContent,
        before: Array.from(document.querySelectorAll("#context span"), one => one.textContent),
        token: document.querySelector("#context mark").textContent,
        heads: Array.from(document.querySelectorAll("#bars .name"), one => one.textContent),
        numbers: Array.from(document.querySelectorAll("#bars .number"), one => one.textContent),
        })"""
    )
    return found


def move_mouse(browser: Browser, place: Any) -> None:
    x, y = map(float, place)
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)


def visible(rows: pd.DataFrame) -> list[str]:
    """Tokens as the page shows them."""
    return [json.loads(text).replace("\n", "↵\n") for text in rows["text"]]


def expected(table: pd.DataFrame, step: int, token: int) -> dict[str, Any]:
    rows = table[table["step"] == step].reset_index(drop=True)
    row, first = rows.iloc[token], token - token % LENGTH
    shown = visible(rows)
    sequence = token // LENGTH + 1
    return {
        "place": f"{row['class']} · {row['source']}, sequence {sequence}, token "
        f"{token % LENGTH + 1} of {LENGTH}",
        "before": shown[first:token],
        "token": shown[token],
        "heads": list(HEADS),
        "numbers": [f"{row[head]:+.2f}".replace("-", "−") for head in HEADS],
    }


def step_to(browser: Browser, place: int) -> None:
    browser.value(
        f"""(() => {{ const slider = document.getElementById("step");
        slider.value = {place}; slider.dispatchEvent(new Event("input")); }})()"""
    )


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_hovering_a_token_shows_context_and_heads(
    browser: Browser, table: pd.DataFrame, place: int
) -> None:
    step_to(browser, place)
    browser.wait_for(f"document.getElementById('step_number').textContent === '{STEPS[place]}'")
    for token in (3, 17, 40):
        move_mouse(browser, places(browser)[token])
        wanted = expected(table, STEPS[place], token)
        browser.wait_for(f"document.getElementById('place').textContent === {wanted['place']!r}")
        assert under_mouse(browser) == wanted


def test_every_token_is_drawn_where_it_is(browser: Browser, table: pd.DataFrame) -> None:
    step_to(browser, 0)
    wanted = table.loc[table["step"] == STEPS[0], ["x", "y"]].to_numpy()
    np.testing.assert_allclose(browser.value("data_of_map()"), wanted, rtol=1e-6)
    time.sleep(0.3)
    shot = browser.call("Page.captureScreenshot", format="png")["data"]
    picture = imread(io.BytesIO(base64.b64decode(shot)))[..., :3]
    across, down = places(browser).round().astype(int).T
    white = picture[down, across].min(-1) > 0.97
    assert white.sum() == 0
    assert (picture.min(-1) > 0.97).mean() > 0.8  # most of the page has nothing on it


def test_the_map_does_not_move_with_the_slider(browser: Browser) -> None:
    """A token that stays where it is does so on the screen."""
    bounds = """(() => { const {x_scale, y_scale} = [...Bokeh.index][0].frame;
        return [0, 1].map(at => [x_scale.compute(at), y_scale.compute(at)]); })()"""
    step_to(browser, 0)
    before = browser.value(bounds)
    step_to(browser, 1)
    assert browser.value(bounds) == before


def test_text_is_coloured_by_the_chosen_head(browser: Browser, table: pd.DataFrame) -> None:
    step_to(browser, 0)
    rows = table[table["step"] == STEPS[0]]
    texts = browser.value(
        """Array.from(document.querySelectorAll("#text [data-token]"), one => one.textContent)"""
    )
    assert texts == visible(rows)
    assert browser.value("document.getElementById('head').selectedOptions[0].text") == "0:1"
    for head in HEADS:
        browser.value(
            f"""(() => {{ const menu = document.getElementById("head");
            menu.value = {HEADS.index(head)}; menu.dispatchEvent(new Event("change")); }})()"""
        )
        colours = browser.value(
            """Array.from(document.querySelectorAll("#text [data-token]"),
            one => one.style.background.match(/[\\d.]+/g).map(Number))"""
        )
        colour = np.array(colours)
        bluer = colour[:, 2] > colour[:, 0]
        np.testing.assert_array_equal(bluer, rows[head] < 0)
        np.testing.assert_allclose(
            colour[:, 3],
            0.85 * np.minimum(rows[head].abs() / 3, 1),
            atol=0.006,  # a style has eight bits of it
        )


def test_nothing_is_loaded_and_nothing_fails(browser: Browser) -> None:
    assert_alone(browser, Path(browser.value("location.pathname")))


def test_one_step_has_no_slider_and_equal_tables_give_equal_values(table: pd.DataFrame) -> None:
    first = table[table["step"] == STEPS[0]]
    shuffled = first.sample(frac=1, random_state=1)

    def data(whole: str) -> Any:
        return json.loads(whole.split('id="data">')[1].split("</script>")[0])

    assert data(made(first)) == data(made(shuffled))
    assert data(made(first))["steps"] == [STEPS[0]]


def test_text_cannot_end_the_data(table: pd.DataFrame) -> None:
    whole = made(table)
    inside = whole.split('id="data">')[1].split("</script>")[0]
    texts = [json.loads(text) for text in table["text"][: SEQUENCES * LENGTH]]
    assert "</script>" in texts
    assert json.loads(inside)["texts"] == texts
    assert "<title>A &lt;map&gt;</title>" in whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="text"), "text"),
        (lambda t: t.drop(columns=list(HEADS)), "of a head"),
        (lambda t: t.assign(x=t["x"].where(t["token"] > 0)), "x: .* not a number"),
        (lambda t: t.iloc[1:], "others at another step"),
        (lambda t: t[(t["sample"] > 0) | (t["token"] > 0)], "sample: .* different lengths"),
    ],
)
def test_bad_tables_are_named(table: pd.DataFrame, change: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        made(change(table))


def test_an_unknown_head_is_named(table: pd.DataFrame) -> None:
    with pytest.raises(SettingsError, match=r"9:9: no such component; the table has 0:0, 0:1, 1:0"):
        made(table, chosen="9:9")

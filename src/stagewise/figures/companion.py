"""A page to read a map of tokens with: each one's context, and its susceptibility to every head.

One file that needs no network: the library that draws the map, the data and the script are in it,
and the page's own policy forbids to load anything else.
"""

import base64
import html
import json
import re
from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, Range1d
from bokeh.models.renderers import DataRenderer
from bokeh.plotting import figure
from bokeh.resources import Resources
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from stagewise.figures.companion_page import PAGE, SCRIPT, STYLE
from stagewise.figures.style import COLOURS, THEORY
from stagewise.settings import SettingsError

Array = NDArray[Any]

DESCRIBING = ("step", "sample", "token", "text", "class", "source", "x", "y")
"""Columns of a table that are no component's."""
SHADES = (*COLOURS, "#7fb8d8", "#e3a587", "#86c7a3", "#c9a9d6", "#d9c987", "#2f4858")
"""Of the classes."""
LONGEST = 4.0
"""Standard deviations of the longest bar; what is beyond has the bar's length and its number."""
STRONGEST = 3.0
"""Standard deviations of the fullest colour of the text."""


def page(
    table: pd.DataFrame, *, title: str, about: str, axes: tuple[str, str], chosen: str = ""
) -> str:
    """The page as HTML.

    table    one row per step of training, sequence (`sample`) and place in it (`token`), the same
             tokens at every step and sequences of one length: `text` of the token as a JSON
             string (so that no table takes "NA" for a gap), its `class`, the `source` of its
             sequence, its place `x`, `y` on the map, and a column for each component with the
             token's susceptibility, in standard deviations over tokens
    axes     what x and y are
    chosen   the component that the text is coloured by at first; by default the first

    Raises SettingsError, naming the column, for a table that is not like that.
    """
    components = [str(name) for name in table.columns if name not in DESCRIBING]
    table = table.sort_values(["step", "sample", "token"], kind="stable")
    steps = [int(step) for step in table["step"].unique()]
    tokens = _checked(table, components, len(steps))
    length = int((tokens["sample"] == tokens["sample"].iloc[0]).sum())
    classes = dict(zip(map(str, tokens["class"].unique()), cycle(SHADES), strict=False))
    if chosen and chosen not in components:
        raise SettingsError(f"{chosen}: no such component; the table has {', '.join(components)}")
    data = {
        "steps": steps,
        "length": length,
        "components": components,
        "chosen": components.index(chosen) if chosen else 0,
        "texts": [json.loads(text) for text in tokens["text"]],
        "sources": tokens["source"].iloc[::length].tolist(),
        "classes": [{"name": name, "colour": colour} for name, colour in classes.items()],
        "of_class": [list(classes).index(name) for name in tokens["class"]],
        "x": _packed(table["x"]),
        "y": _packed(table["y"]),
        "values": _packed(table[components]),
        "colours": [[round(255 * part) for part in to_rgb(COLOURS[place])] for place in (0, 1)],
        "longest": LONGEST,
        "strongest": STRONGEST,
        "first": length // 2,
    }
    map_of_tokens = json_item(_map(table, tokens, classes, axes), ID("map"))
    return _filled(
        {
            "title": html.escape(title),
            "about": html.escape(about),
            "style": STYLE,
            "data": _embedded(data),
            "item": _embedded(map_of_tokens),
            "library": "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw),
            "script": SCRIPT,
        }
    )


def _checked(table: pd.DataFrame, components: list[str], steps: int) -> pd.DataFrame:
    """The tokens of one step, numbered from 0."""
    missing = [name for name in DESCRIBING if name not in table]
    if missing or not components:
        raise SettingsError(f"the table of tokens has no column {(missing or ['of a head'])[0]!r}")
    numbers = table[["x", "y", *components]]
    if not np.isfinite(numbers.to_numpy(dtype=float)).all():
        column = numbers.columns[~np.isfinite(numbers.to_numpy(dtype=float)).all(0)][0]
        raise SettingsError(f"{column}: the table of tokens has a value that is not a number")
    each = len(table) // steps
    described = table[["sample", "token", "text", "class", "source"]].to_numpy()
    if len(table) % steps or (described.reshape(steps, each, -1) != described[:each]).any():
        raise SettingsError("the table of tokens has others at another step")
    tokens = table.iloc[:each].reset_index(drop=True)
    sizes = tokens["sample"].value_counts()
    if sizes.min() != sizes.max():
        raise SettingsError("sample: sequences have different lengths")
    return tokens


def _map(
    table: pd.DataFrame, tokens: pd.DataFrame, classes: Mapping[str, str], axes: tuple[str, str]
) -> figure:
    """Tokens by class; the script moves them from step to step, within the bounds of all steps."""
    ring = ColumnDataSource({"x": [], "y": []}, name="ring")
    drawn = figure(
        height=560,
        sizing_mode="stretch_width",
        x_range=_bounds(table["x"]),
        y_range=_bounds(table["y"]),
        x_axis_label=axes[0],
        y_axis_label=axes[1],
        tools="pan,wheel_zoom,box_zoom,reset",
        active_scroll="wheel_zoom",
    )
    drawn.toolbar.logo = None
    dots: list[DataRenderer] = [
        drawn.scatter(
            "x",
            "y",
            source=_of_class(tokens, name),
            legend_label=name,
            size=4,
            color=colour,
            alpha=0.7,
            line_width=0,
        )
        for name, colour in classes.items()
    ]
    drawn.scatter("x", "y", source=ring, size=13, fill_alpha=0, line_color=THEORY, line_width=2)
    drawn.legend.click_policy = "hide"
    drawn.add_layout(drawn.legend[0], "below")
    drawn.legend.orientation = "horizontal"
    drawn.legend.ncols = 4
    under_mouse = CustomJS(
        code="companion.over(cb_data.renderer.data_source, cb_data.index, cb_data.geometry)"
    )
    drawn.add_tools(HoverTool(renderers=dots, tooltips=None, callback=under_mouse))
    drawn.grid.grid_line_color = "#eceef1"
    drawn.outline_line_color = None
    return drawn


def _bounds(values: "pd.Series[float]") -> Range1d:
    """With a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.03 * (high - low)
    return Range1d(start=low - margin, end=high + margin)


def _of_class(tokens: pd.DataFrame, name: str) -> ColumnDataSource:
    """Places of the first step. Of each class apart: sources that are shared lose what is hit."""
    rows = tokens[tokens["class"] == name]
    columns: dict[Any, Any] = {
        "token": rows.index.to_numpy(),
        "x": rows["x"].to_numpy(),
        "y": rows["y"].to_numpy(),
    }
    return ColumnDataSource(columns, tags=["tokens"])


def _packed(values: Any) -> str:
    """Single-precision numbers, little-endian, in the order of the rows."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def _embedded(value: Any) -> str:
    """JSON that no text in it can end the element of."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _filled(parts: Mapping[str, str]) -> str:
    return re.sub(r"<!--(\w+)-->", lambda place: parts[place[1]], PAGE)

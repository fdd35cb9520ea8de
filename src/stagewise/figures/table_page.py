"""A table as one HTML file that loads nothing: sorted by a click on a column, filtered by menus
and by words. Without JavaScript it is still the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """What a cell shows, beside its text."""

    text: str
    order: float | None = None
    """What a column of numbers is sorted by; those without stand last."""
    colour: str = ""
    """Of a mark before the text, as in CSS."""
    title: str = ""
    """Shown under the mouse."""


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    name: str
    menu: bool = False
    """Whether a menu above the table chooses among its texts."""
    narrow: bool = False
    """Whether its texts are kept on one line."""


_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 20px; background: #fff; }
h1 { font-size: 20px; margin: 0 0 4px; }
p { max-width: 900px; color: #444; margin: 0 0 12px; white-space: pre-line; }
label { margin-right: 16px; }
select { max-width: 24em; }
table { border-collapse: collapse; font-size: 13px; margin-top: 10px; }
th, td { text-align: left; vertical-align: top; padding: 4px 10px 4px 0;
  border-bottom: 1px solid #e4e6e9; }
th { position: sticky; top: 0; background: #fff; white-space: nowrap; }
th button { all: unset; cursor: pointer; font-weight: 700; }
th button:focus-visible { outline: 2px solid #3b6fb6; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
td { min-width: 13em; font-variant-numeric: tabular-nums; }
.mark { display: inline-block; width: 9px; height: 9px; border-radius: 5px; margin-right: 5px; }
"""

_SCRIPT = """
const body = document.querySelector("tbody"), rows = Array.from(body.rows);
const menus = Array.from(document.querySelectorAll("select"));
const words = document.getElementById("words"), shown = document.getElementById("shown");

function filter() {
  const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !(menus.every(menu => !menu.value
        || row.cells[menu.dataset.column].textContent === menu.value)
      && wanted.every(word => text.includes(word)));
    count += !row.hidden;
  }
  shown.textContent = `${count} of ${rows.length}`;
}

function sort(header) {
  const place = header.cellIndex, down = header.getAttribute("aria-sort") === "ascending";
  const key = row => row.cells[place].dataset.order ?? row.cells[place].textContent;
  const numbers = rows.some(row => row.cells[place].dataset.order !== undefined);
  const compared = numbers
    ? (one, other) => Number(one) - Number(other)
    : (one, other) => one.localeCompare(other, undefined, {numeric: true});
  // What has no number, or no text, stays below in either direction.
  const empty = row => key(row) === "" ? 1 : 0;
  rows.sort((one, other) => empty(one) - empty(other)
    || (down ? -1 : 1) * compared(key(one), key(other)));
  for (const each of document.querySelectorAll("th")) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows);
}

for (const header of document.querySelectorAll("th")) {
  header.querySelector("button").onclick = () => sort(header);
}
for (const menu of menus) menu.onchange = filter;
words.oninput = filter;
filter();
"""


def _column(cells: Sequence[Cell]) -> list[str]:
    """The column's cells as HTML; one with any number in it is sorted as numbers."""
    numeric = any(cell.order is not None for cell in cells)
    made = []
    for cell in cells:
        number = "" if cell.order is None else repr(cell.order)
        order = f' data-order="{number}"' if numeric else ""
        title = f' title="{escape(cell.title)}"' if cell.title else ""
        mark = f'<i class="mark" style="background:{cell.colour}"></i>' if cell.colour else ""
        made.append(f"<td{order}{title}>{mark}{escape(cell.text)}</td>")
    return made


def _menu(place: int, column: Column, texts: Sequence[str]) -> str:
    options = "".join(f"<option>{escape(text)}</option>" for text in dict.fromkeys(texts) if text)
    return (
        f'<label>{escape(column.name)} <select data-column="{place}"><option value="">all'
        f"</option>{options}</select></label>"
    )


def page(
    title: str, about: str, columns: Mapping[Column, Sequence[Cell]], *, words: str = "words"
) -> str:
    """The whole file; `columns` are the columns with their cells, from the left, and `words`
    labels the field that looks for words in all of them."""
    menus = [
        _menu(place, column, [cell.text for cell in cells])
        for place, (column, cells) in enumerate(columns.items())
        if column.menu
    ]
    heads = "".join(
        f'<th scope="col"><button type="button">{escape(column.name)}</button></th>'
        for column in columns
    )
    made = [_column(cells) for cells in columns.values()]
    rows = [f"<tr>{''.join(row)}</tr>" for row in zip(*made, strict=True)]
    body = "\n".join(rows)
    narrow = ", ".join(
        f"td:nth-child({place})" for place, column in enumerate(columns, 1) if column.narrow
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{_STYLE}{narrow or "none"} {{ min-width: 0; white-space: nowrap; }}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{escape(about)}</p>
<div>{"".join(menus)}<label>{escape(words)} <input id="words" type="search"></label>
<span id="shown"></span></div>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{body}
</tbody>
</table>
<script>{_SCRIPT}</script>
</body>
</html>
"""

"""Where every result behind the figures comes from, as a page to sort and filter."""

import pandas as pd

from stagewise.figures.table_page import Cell, Column, page


def draw(table: pd.DataFrame, about: str) -> str:
    """The page; `table` as `provenance_table.table` makes it, a row for each job, and
    `about` what they have in common. Versions are shown where jobs differ in them."""
    columns = {
        Column("figures", menu=True, narrow=True): _texts(table["figures"]),
        Column("result", narrow=True): _texts(table["result"]),
        Column("rule", menu=True, narrow=True): _texts(table["rule"]),
        Column("seed", narrow=True): [
            Cell(str(seed), float(seed) if seed else None) for seed in table["seed"]
        ],
        Column("settings"): _texts(table["settings"]),
        Column("took", narrow=True): _durations(table["seconds"]),
        Column("with its inputs", narrow=True): _durations(table["total_seconds"]),
        Column("commit", menu=True, narrow=True): [
            Cell(revision[:10] + ("+changes" if "+" in revision else ""), title=revision)
            for revision in table["code"]
        ],
        Column("host", menu=True, narrow=True): _texts(table["host"]),
        Column("threads", narrow=True): [Cell(str(n), float(n)) for n in table["threads"]],
        Column("finished", narrow=True): _texts(table["finished"]),
        Column("SHA-256", narrow=True): [Cell(digest[:12]) for digest in table["sha256"]],
    }
    if len(set(table["versions"])) > 1:
        columns[Column("versions", menu=True)] = _texts(table["versions"])
    return page("Provenance", about, columns)


def _texts(values: pd.Series) -> list[Cell]:
    return [Cell(str(value)) for value in values]


def _durations(values: pd.Series) -> list[Cell]:
    """Seconds; nothing where there is no number."""
    return [Cell("") if pd.isna(v) else Cell(f"{v:.1f} s", float(v)) for v in values]

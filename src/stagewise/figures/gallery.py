"""The gallery page: every figure, and every claim with its verdict, as Markdown."""

from collections.abc import Sequence

import pandas as pd

_HEAD = "| claim | says | measured | 90 % interval | condition | verdict | note |"
_RULE = "|---|---|---|---|---|---|---|"


def _number(value: object) -> str:
    text = str(value)
    return f"{float(text):.4g}" if text not in ("", "nan") else ""


def _row(claim: pd.Series) -> str:
    low, high = _number(claim.low), _number(claim.high)
    cells = [
        claim.claim,
        claim.says,
        _number(claim.measured),
        f"{low} … {high}" if low else "",
        str(claim.condition).replace("|", "\\|"),
        f"**{claim.verdict}**",
        str(claim.note).replace("|", "\\|"),
    ]
    return "| " + " | ".join(cells) + " |"


def page(claims: pd.DataFrame, figures: Sequence[str]) -> str:
    """The whole page; `claims` as in claims.csv, `figures` the names of the images and companion
    pages beside it."""
    counts = claims.verdict.value_counts()
    lines = [
        "# Gallery",
        "",
        "Made by `snakemake gallery` from a full run at the default scale: "
        + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        + ".",
    ]
    for (number, slug), part in claims.groupby(["figure", "slug"], sort=True):
        lines += ["", f"## Figure {number}: {slug}", ""]
        image = f"figure{number}.png"
        if image in figures:
            lines += [f"![figure {number}]({image})", ""]
        companion = f"figure{number}.html"
        if companion in figures:
            lines += [f"[Its tokens, one by one]({companion}): a page to open in a browser.", ""]
        lines += [_HEAD, _RULE, *(_row(claim) for _, claim in part.iterrows())]
    return "\n".join(lines) + "\n"

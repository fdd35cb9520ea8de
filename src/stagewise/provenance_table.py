"""Every job that the figures rest on, as a table."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from stagewise.lineage import Result, ancestry, result, total_seconds
from stagewise.settings import lines

COLUMNS = [
    "figures",
    "result",
    "rule",
    "seed",
    "settings",
    "seconds",
    "total_seconds",
    "code",
    "host",
    "threads",
    "versions",
    "finished",
    "sha256",
]


def table(figures: Mapping[Path, int]) -> pd.DataFrame:
    """A row for each job, columns COLUMNS, figures first; `total_seconds`, with all inputs, of
    figures alone."""
    jobs: dict[tuple[str, ...], Result] = {}
    users: dict[tuple[str, ...], set[int]] = {}
    totals: dict[tuple[str, ...], float] = {}
    for path, number in sorted(figures.items(), key=lambda item: item[1]):
        figure = result(path)
        totals[figure.job] = total_seconds(figure)
        for one in ancestry(figure):
            jobs.setdefault(one.job, one)
            users.setdefault(one.job, set()).add(number)
    order = sorted(jobs, key=lambda job: job not in totals)
    rows = [(job, record) for job in order if (record := jobs[job].record) is not None]
    return pd.DataFrame(
        [
            {
                "figures": ", ".join(map(str, sorted(users[job]))),
                "result": record["file"],
                "seed": record["wildcards"].get("seed", ""),
                "settings": "; ".join(lines(record["settings"])),
                "total_seconds": totals.get(job),
                "versions": "; ".join(f"{k} {v}" for k, v in record["versions"].items()),
                **{
                    name: record[name]
                    for name in ("rule", "seconds", "code", "host", "threads", "finished", "sha256")
                },
            }
            for job, record in rows
        ],
        columns=COLUMNS,
    )


def summary(found: pd.DataFrame) -> str:
    """What the jobs of a table have in common, in two or three sentences."""
    revisions = sorted(set(found["code"]))
    text = (
        f"{len(found)} jobs, {found['seconds'].sum() / 3600:.2f} hours of their own time together, "
        f"finished {found['finished'].min()} to {found['finished'].max()}; commit "
        f"{', '.join(revisions)}; {', '.join(sorted(set(found['host'])))}."
    )
    same = len(set(found["versions"])) == 1
    return text + (f"\nPackages: {found['versions'].iloc[0]}." if same else "")

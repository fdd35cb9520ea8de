"""The rerun matrix: what runs again after each kind of change, over all figures that exist.

    python tests/campaigns/rerun_matrix.py

In a copy in which everything counts as made (tests/workflow/filled.py), one change at a time and
a dry run. Three things must hold: the jobs that the change itself reaches are those expected and
no others; each gives the change, and no other, as its reason; and what runs beside them is exactly
what is made from their files. Writes rerun_matrix.csv; exit status 1 if any case fails.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
from copies import Copy
from filled import Job, downstream, filled, plan
from rerun_cases import Case, code_cases, harmless_cases, no_job, page_cases, setting_cases

HERE = Path(__file__).resolve().parent
CHANGED = ("Params have changed", "Updated input files", "Set of input files has changed")


def judged(case: Case, jobs: list[Job], found: list[Job]) -> list[str]:
    """What is wrong with a plan."""
    expected = {job.name for job in jobs if case.reached(job)}
    direct = {job.name for job in found if job.reason.startswith(CHANGED)}
    wrong = []
    if case.reached is not no_job and not expected:
        wrong.append("the case itself: nothing is expected to run")
    planned = {job.name for job in found}
    # What reads a file made again gives that as its reason, whatever else has changed for it.
    for name in sorted(expected - planned):
        wrong.append(f"not reached: {name}")
    for name in sorted(direct - expected):
        wrong.append(f"reached too: {name}")
    made = downstream(jobs, direct)
    for name in sorted(made - planned):
        wrong.append(f"not made again from what it reads: {name}")
    for name in sorted(planned - made):
        wrong.append(f"made again for nothing: {name}")
    for job in found:
        if job.name in direct and case.shown not in job.reason:
            wrong.append(f"another reason: {job.name}: {job.reason}")
    return wrong


@contextmanager
def changed(copy: Copy, case: Case) -> Iterator[None]:
    """The copy with the change, which is then undone, with the files' times."""
    kept = {
        path: (path.read_bytes(), path.stat())
        for folder in ("src", "scripts", "workflow", "profiles")
        for path in (copy.path / folder).rglob("*")
        if path.is_file()
    }
    config = copy.path / "config.yaml"
    kept[config] = (config.read_bytes(), config.stat())
    case.change(copy)
    try:
        yield
    finally:
        for path in [*(copy.path / "src").rglob("*.py")]:
            if path not in kept:
                path.unlink()
        for path, (content, stat) in kept.items():
            if path.read_bytes() != content:
                path.write_bytes(content)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def main() -> int:
    """The campaign's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--only", default="", help="cases whose kind and subject match this pattern"
    )
    chosen = parser.parse_args()
    cases = [*code_cases(), *setting_cases(), *page_cases(), *harmless_cases()]
    cases = [case for case in cases if re.search(chosen.only, f"{case.kind}: {case.what}")]
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        copy, jobs = filled(Path(folder) / "copy")
        assert plan(copy) == [], "everything counts as made"
        for case in tqdm(cases):
            with changed(copy, case):
                found = plan(copy)
            wrong = judged(case, jobs, found)
            failed += bool(wrong)
            for line in wrong[:5]:
                tqdm.write(f"{case.kind}, {case.what}: {line}")
            reached = sum(job.reason.startswith(CHANGED) for job in found)
            rows.append([case.kind, case.what, reached, len(found), len(jobs), not wrong])
        assert plan(copy) == [], "every change was undone"
    table = pd.DataFrame(
        rows, columns=["kind", "change", "reached", "rerun", "jobs", "as_expected"]
    )
    if not chosen.only:
        table.to_csv(HERE / "rerun_matrix.csv", index=False)
    print(f"{len(cases)} changes, {failed} not as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

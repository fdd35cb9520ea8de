"""Says where results come from: inputs, settings, seeds, code, versions, host, duration.

    python3 bootstrap.py python scripts/explain.py results/figure3.pdf
    python3 bootstrap.py python scripts/explain.py --stale
    python3 bootstrap.py python scripts/explain.py --stale --configfile workflow/scales/medium.yaml

The first explains files of a results folder, wherever that stands, from the records the workflow
left in it, and says what was changed by hand. The second lists every result that today's
configuration and code would not make, and why: by content, so that it is right where Snakemake
has no records of its own to go by, after a move, a copy or a fresh clone.

Exit status 1 if a file has no record, or it or anything it was made from is not as it was made, or
if a result is stale.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from stagewise.artifacts import ArtifactError  # noqa: E402
from stagewise.explanation import explanation  # noqa: E402
from stagewise.lineage import AS_MADE, MISSING, Result, copies, result, troubles  # noqa: E402
from stagewise.provenance import FOLDER, results_of  # noqa: E402


def unknown(made: Result) -> str:
    """Why there is no record of a file, and what to do."""
    path = made.path
    if path.is_dir():
        return f"{path} is a folder: name a file in it, or use --stale"
    if not path.is_file():
        return f"there is no file {path}, and no record of one"
    for results in sorted(place for place in ROOT.glob("results*") if (place / FOLDER).is_dir()):
        for original in copies(path, results):
            return f"{path} is a copy of {original}: explain that"
    if results_of(path) is None:
        return f"{path} is in no results folder, and no result here has these bytes"
    return (
        f"{path} has no record: it was not made by this workflow, or by a version before records, "
        f"or by a job that was killed; snakemake --forcerun {path} makes it with one"
    )


def explained(names: list[str], *, depth: int, full: bool) -> int:
    """Prints what is known of each file; the exit status."""
    status = 0
    for name in names:
        made = result(Path(name))
        if made.record is None:
            print(f"explain: {unknown(made)}", file=sys.stderr)
            status = 1
            continue
        print(explanation(made, ROOT, depth=depth, full=full))
        found = troubles(made)
        below = [state for path, state in found.items() if path != made.path]
        status = max(status, int(made.state != AS_MADE or any(s != MISSING for s in below)))
    return status


def main() -> int:
    """The command."""
    about, examples = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        description=about, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", help="results to explain; with --stale targets")
    parser.add_argument("--depth", type=int, default=2, help="levels of inputs shown (2)")
    parser.add_argument("--full", action="store_true", help="every input, setting and module")
    parser.add_argument("--stale", action="store_true", help="list results that would change")
    parser.add_argument("--configfile", action="append", default=[], help="as snakemake's")
    parser.add_argument("--results", help="with --stale: a folder in place of the configured one")
    options = parser.parse_args()
    # Names in records and in the configuration are from the repository.
    files = options.files
    if Path.cwd() != ROOT and not options.stale:
        files = [str(Path(name).absolute()) for name in files]
    os.chdir(ROOT)
    try:
        if options.stale:
            from stagewise.staleness import report  # takes Snakemake

            configfiles = [Path(name) for name in options.configfile]
            return report(ROOT, options.files, configfiles, options.results, full=options.full)
        if not files:
            parser.error("name a file, or use --stale")
        return explained(files, depth=options.depth, full=options.full)
    except ArtifactError as error:
        print(f"explain: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""Fuzzed configurations: each is planned, or refused with a message; none ends in a traceback.

    python tests/campaigns/fuzz_configuration.py --cases 600 --seed 0

Every case is a config.yaml gone wrong (tests/workflow/fuzzed.py), given to `snakemake --dry-run`:
half of them that of the tiny paper of the tests, half the shipped one with its 500 jobs. Writes
how they ended, by what was done to them, to fuzz_configuration.csv; exit status 1, with the files
and what they printed, if any ended otherwise.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
from copies import Copy, fresh, tiny
from forked import snakemake_in_a_fork
from fuzzed import Fuzzed, broken, plain

HERE = Path(__file__).resolve().parent


def outcome(copy: Copy, case: Fuzzed) -> tuple[str, str]:
    """planned, refused, or what went wrong; and what was printed."""
    (copy.path / "config.yaml").write_text(case.text, encoding="utf-8")
    ended = snakemake_in_a_fork(copy.path, "--dry-run", "--quiet", "all")
    if ended.status == 0:
        return "planned", ended.text
    if ended.status == 124:
        return "too slow", ended.text
    if ended.status == 1 and plain(ended.text) and ended.text.strip():
        return "refused", ended.text
    return "traceback", ended.text


def campaign(
    copy: Copy, cases: int, seed: int, label: str
) -> tuple[Counter[tuple[str, str]], list]:
    """How many cases of each kind ended how; and the file and output of those that must not."""
    counts: Counter[tuple[str, str]] = Counter()
    bad = []
    bar = tqdm(total=cases, desc=label)

    @seeded(seed)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(broken(copy.configuration()))
    def run(case: Fuzzed) -> None:
        how, text = outcome(copy, case)
        counts.update((kind, how) for kind in {*case.kinds, "all"})
        if how not in ("planned", "refused"):
            bad.append((how, case, text))
        bar.update()

    run()
    bar.close()
    return counts, bad


def main() -> int:
    """The campaign's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=int, default=600, help="configurations (default 600)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator (default 0)")
    parser.add_argument("--shipped", type=float, default=0.5, help="share of the shipped one (0.5)")
    chosen = parser.parse_args()
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        whole = round(chosen.cases * chosen.shipped)
        for label, make, cases in (
            ("tiny", tiny, chosen.cases - whole),
            ("shipped", fresh, whole),
        ):
            if not cases:
                continue
            counts, bad = campaign(make(Path(folder) / label), cases, chosen.seed, label)
            failed += bad
            for kind in sorted({kind for kind, _ in counts}):
                hows = {
                    how: counts[kind, how]
                    for how in ("planned", "refused", "too slow", "traceback")
                }
                rows.append({"configuration": label, "change": kind, **hows})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    table.to_csv(HERE / "fuzz_configuration.csv", index=False)
    for number, (how, case, text) in enumerate(failed):
        path = Path(tempfile.gettempdir()) / f"fuzzed{number}.yaml"
        path.write_text(case.text, encoding="utf-8")
        print(f"\n==> {how}: {path} ({', '.join(case.kinds)})\n{text[-1500:]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

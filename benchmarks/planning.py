"""What was planned of jobs against what they took.

    python benchmarks/planning.py [--results results] [--logs logs/default]

after any run with the shipped settings writes benchmarks/planning.csv: for each finished job of the
rules that have estimates, the seconds that `snakemake results/plan.csv` counts on and the processor
time that Snakemake measured (it looks every few seconds and misses the last of them), and the
megabytes of draws or checkpoints, planned and found.
"""

import argparse
from pathlib import Path

import pandas as pd
import yaml

from stagewise.planning.estimates import WORK, Estimates

HERE = Path(__file__).resolve().parent
WRITTEN = {"train": "checkpoints.safetensors", "sample": "draws.nc", "retrain": "retrained.nc"}
"""Rule -> the file it leaves."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--logs", type=Path, default=Path("logs/default"))
    given = parser.parse_args()
    config = yaml.safe_load((HERE.parent / "config.yaml").read_text())
    estimates = Estimates(config)
    rows = []
    for log in sorted(given.logs.glob("*/*/seed*/**/*.tsv")):
        testbed, variant, seed, *names, _ = log.relative_to(given.logs).parts
        if log.stem not in WORK:
            continue
        job = (log.stem, testbed, variant, *names)
        measured = pd.read_csv(log, sep="\t").iloc[0]
        file = given.results / log.relative_to(given.logs).parent / WRITTEN.get(log.stem, "")
        work = estimates.work(*job)
        rows.append(
            {
                "job": "/".join([testbed, variant, seed, *names]),
                "rule": log.stem,
                "planned_s": estimates.seconds(*job),
                "measured_cpu_s": round(measured["cpu_time"], 1),
                "planned_mb": round(work.bytes / 1e6, 3) if work and file.is_file() else None,
                "measured_mb": round(file.stat().st_size / 1e6, 3) if file.is_file() else None,
            }
        )
    table = pd.DataFrame(rows)
    table.to_csv(HERE / "planning.csv", index=False)
    for name, unit in (("seconds", "s"), ("megabytes", "mb")):
        measured = f"measured_cpu_{unit}" if unit == "s" else f"measured_{unit}"
        ratio = (table[f"planned_{unit}"] / table[measured]).dropna()
        low, middle, high = ratio.quantile([0.0, 0.5, 1.0])
        print(
            f"planned over measured {name}: {middle:.2f} [{low:.2f}, {high:.2f}], {len(ratio)} jobs"
        )


if __name__ == "__main__":
    main()

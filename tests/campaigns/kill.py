"""Kills a run at random moments, starts it again, and holds the results against an undisturbed run.

    python tests/campaigns/kill.py --kills 50 --seed 0

At the smoke scale, all figures from nothing. One kill in three, at random, takes the whole session
(Snakemake and its jobs, as when the machine goes down), one Snakemake alone (its jobs write on,
beside those of the next launch) and one a single job. After each the README's command for a hard
kill, `--unlock`, and the same launch again. Afterwards every file must be what an undisturbed run
makes, but for the records of when it was made, and nothing may be left to do. Writes kill.csv, one
row a kill; exit status 1 if a file differs or a launch refuses to go on.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from safetensors.torch import load_file
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
from commands import command, environment
from copies import Copy, fresh

HERE = Path(__file__).resolve().parent
SMOKE = ("--configfile", "workflow/scales/smoke.yaml")
WAYS = ("session", "snakemake", "job")


def launched(copy: Copy, log: Path, targets: list[str]) -> subprocess.Popen[bytes]:
    """Snakemake in a session of its own; what it prints goes to the end of the log."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command(*targets, *SMOKE),
            cwd=copy.path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def jobs_of(session: int) -> list[int]:
    """Processes of the session that run a script, Snakemake itself excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == session:
            continue
        with contextlib.suppress(OSError):
            status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if (
                int(status[3]) == session
                and b".snakemake/scripts" in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found


def kill(running: subprocess.Popen[bytes], way: str, dice: random.Random) -> str:
    """Kills in that way, or the session where there is no job; how it was done."""
    jobs = jobs_of(running.pid)
    if way == "job" and jobs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(jobs), signal.SIGKILL)
        # Snakemake reports the job, lets the others end and stops by itself.
        running.wait()
        return "job"
    with contextlib.suppress(ProcessLookupError):
        if way == "snakemake":
            os.kill(running.pid, signal.SIGKILL)
        else:
            os.killpg(running.pid, signal.SIGKILL)
            for job in jobs:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(job, signal.SIGKILL)
    running.wait()
    return "snakemake" if way == "snakemake" else "session"


def content(path: Path) -> Any:
    """What must be the same in two runs: all but the record of when and in how long it was made."""
    if path.suffix == ".nc":
        found = xr.load_dataset(path, engine="h5netcdf")
        return {name: (found[name].dims, found[name].values.tobytes()) for name in found.variables}
    if path.suffix == ".safetensors":
        return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}
    if path.suffix == ".json":
        return {**json.loads(path.read_text()), "provenance": None}
    return path.read_bytes()


def differing(first: Path, second: Path) -> list[str]:
    """Files that only one of the folders has, or that differ; records of how long it took aside."""
    files = [
        {
            path.relative_to(folder)
            for path in folder.rglob("*")
            if path.is_file() and ".provenance" not in path.parts and path.name != "provenance.html"
        }
        for folder in (first, second)
    ]
    wrong = [f"{path} is in one of the two only" for path in sorted(files[0] ^ files[1])]
    for path in sorted(files[0] & files[1]):
        if content(first / path) != content(second / path):
            wrong.append(f"{path} differs")
    return wrong


def made_parts(copy: Copy) -> int:
    """Files that stand in the results folder."""
    return sum(path.is_file() and path.name[0] != "." for path in _results(copy).rglob("*"))


def _results(copy: Copy) -> Path:
    return copy.path / "results-smoke"


def disturbed(
    copy: Copy, log: Path, targets: list[str], kills: int, mean: float, dice: random.Random
) -> Iterator[dict[str, Any]]:
    """Runs to the end through so many kills, one every `mean` seconds; what happened at each."""
    for number in range(kills):
        running = launched(copy, log, targets)
        after = 4 + dice.expovariate(1 / mean)
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = running.wait(after)
            if status:
                raise SystemExit(f"launch {number + 1} ended with status {status}: see {log}")
            return
        how = kill(running, dice.choice(WAYS), dice)
        yield {"killed": how, "after_s": round(after, 1), "files": made_parts(copy)}
        unlocked = subprocess.run(
            command("--unlock", *targets, *SMOKE),
            cwd=copy.path,
            env=environment(),
            capture_output=True,
            text=True,
        )
        if unlocked.returncode:
            raise SystemExit(f"--unlock failed: {unlocked.stdout}{unlocked.stderr}")
    if launched(copy, log, targets).wait():
        raise SystemExit(f"the last launch failed: see {log}")


def main() -> int:
    """The campaign's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", help="files below results-smoke/ (default: all)")
    parser.add_argument("--kills", type=int, default=50, help="kills in all (default 50)")
    parser.add_argument("--mean", type=float, default=30.0, help="mean seconds between them (30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and ways (default 0)")
    parser.add_argument("--folder", type=Path, help="where to work, and to keep it")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CLONE",
        help="where the same code has made the same without being disturbed (default: do so first)",
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if chosen.against:
            quiet = Copy(chosen.against)
            if "Nothing to be done" not in quiet.made("--dry-run", *chosen.targets, *SMOKE):
                raise SystemExit(f"{quiet.path} is not finished, or is of other code")
        else:
            quiet = fresh(folder / "quiet")
            if launched(quiet, folder / "quiet.log", chosen.targets).wait():
                raise SystemExit(f"the undisturbed run failed: see {folder / 'quiet.log'}")
        print(f"undisturbed: {made_parts(quiet)} files")
        rows: list[dict[str, Any]] = []
        wrong: list[str] = []
        dice = random.Random(chosen.seed)
        bar, run = tqdm(total=chosen.kills, desc="kills"), 0
        while len(rows) < chosen.kills:
            run += 1
            copy, log = fresh(folder / f"run{run}"), folder / f"run{run}.log"
            left = chosen.kills - len(rows)
            for row in disturbed(copy, log, chosen.targets, left, chosen.mean, dice):
                rows.append({"run": run, **row})
                bar.update()
            again = copy.made("--dry-run", *chosen.targets, *SMOKE)
            if "Nothing to be done" not in again:
                wrong.append(f"run {run}: the finished run would go on")
            wrong += [f"run {run}: {line}" for line in differing(_results(quiet), _results(copy))]
        bar.close()
        table = pd.DataFrame(rows)
        table.to_csv(HERE / "kill.csv", index=False)
        print(table.killed.value_counts().to_string())
    print("\n".join(wrong) or f"{len(rows)} kills in {run} runs: every file as undisturbed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

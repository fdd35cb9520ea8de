"""Influence of 1,000 tokens on each other from 2,000 draws: ours against devinterp's compute_bif.

    python benchmarks/influence.py [--repeats N]

writes benchmarks/influence.csv. The same losses, 4 chains of 500 draws of 20 sequences of 50
tokens, in turn: the normalised influence pooled over chains. Ours comes with its standard errors.
Needs devinterp 2.0.1 (an optional extra). Memory is the most that a process of its own held beyond
what it started with.
"""

import argparse
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from devinterp.slt.bif import compute_bif

from stagewise.estimators.influence import correlation

HERE = Path(__file__).parent
CHAINS, DRAWS, SEQUENCES, TOKENS = 4, 500, 20, 50


def losses():
    """(chain, draw, sequence, token), single precision, correlated across tokens."""
    random = np.random.default_rng(0)
    common = random.standard_normal((CHAINS, DRAWS, 8)) @ random.standard_normal(
        (8, SEQUENCES * TOKENS)
    )
    own = random.standard_normal((CHAINS, DRAWS, SEQUENCES * TOKENS))
    return (2 + 0.1 * (common + own)).reshape(CHAINS, DRAWS, SEQUENCES, TOKENS).astype(np.float32)


def ours(found):
    """(token, token), normalised influence with its sign."""
    return -correlation(found.reshape(CHAINS, DRAWS, -1), pooled=True).value


def theirs(found):
    dataset = xr.Dataset(
        {
            "loss_tokens": (("chain", "draw", "batch", "token_pos"), found),
            "input_ids_tokens": (
                ("batch", "token"),
                np.zeros((SEQUENCES, TOKENS + 1), dtype=np.int64),
            ),
        }
    )
    result = compute_bif(xr.DataTree(dataset), correlation_method="token", device="cpu")
    blocks = result["influences"].transpose(
        "batch_1", "target_position", "batch_2", "target_position_T"
    )
    return -blocks.values.reshape(SEQUENCES * TOKENS, -1)


def _resident(what):
    """VmRSS or VmHWM of this process, megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def _memory(way, queue):
    found = losses()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    way(found)
    queue.put(_resident("VmHWM") - before)


def megabytes(way):
    """Most memory beyond the losses, in a process of its own (Linux)."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_memory, args=(way, queue))
    process.start()
    found = queue.get()
    process.join()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = losses()
    ways = {"ours": ours, "devinterp": theirs}
    apart = np.abs(ours(found) - theirs(found)).max()
    print(f"largest difference {apart:.2g}")
    assert apart < 1e-5
    rows = []
    for repeat in range(arguments.repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way(found)
            rows.append({"way": name, "repeat": repeat, "seconds": time.perf_counter() - started})
    table = pd.DataFrame(rows)
    table["megabytes"] = table["way"].map({name: megabytes(way) for name, way in ways.items()})
    table["largest_difference"] = apart
    table.round(7).to_csv(HERE / "influence.csv", index=False)
    medians = table.groupby("way")[["seconds", "megabytes"]].median()
    print(medians)
    print(f"devinterp / ours: {medians.seconds['devinterp'] / medians.seconds['ours']:.2f}")


if __name__ == "__main__":
    main()

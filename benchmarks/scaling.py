"""What a step of a chain costs, against what is sampled together.

    python benchmarks/scaling.py [--repeats N] [--threads N]

writes benchmarks/scaling.csv and scaling.png. The engine's SGLD on minibatches drawn for each
chain, with compiled steps and without, along three curves:

    chains        1 to 1024 chains of one checkpoint
    parameters    16 chains of linear networks of two layers, 4 to 128 wide
    checkpoints   1 to 64 checkpoints of the digits' network, four chains each

microseconds is the median over repeats of the time for each chain and step. Compiling takes most of
the run, some minutes; it is done once, before the clock starts, and its results are kept on disk.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from engine import ours
from plot_scaling import draw
from tqdm import tqdm
from workloads import Workload, deep_linear, workloads

from stagewise.engine.noise import block_length

HERE = Path(__file__).parent
STEPS = 64
"""Of one repeat, or a few more: the engine makes whole blocks of them."""


@dataclass(frozen=True)
class Place:
    """One place on one curve."""

    curve: str
    name: str
    workload: Workload
    checkpoints: int
    chains: int


def places() -> Iterator[Place]:
    """All places, curve after curve."""
    known = workloads()
    for name in ("superposition", "deep_linear_3x8"):
        for chains in (1, 4, 16, 64, 256, 1024):
            yield Place("chains", name, known[name], 1, chains)
    for width in (4, 8, 16, 32, 64, 128):
        yield Place("parameters", f"deep_linear_2x{width}", deep_linear(2, width), 1, 16)
    for checkpoints in (1, 4, 16, 64):
        yield Place("checkpoints", "digits_mlp", known["digits_mlp"], checkpoints, 4)


def measured(place: Place, *, eager: bool, repeats: int) -> float:
    """Microseconds for each chain and step."""
    block = block_length(max(place.workload.parameters, place.workload.batch))
    steps = block * ceil(STEPS / block)
    workload = replace(place.workload, steps=steps)
    call = ours(workload, place.chains, eager=eager, checkpoints=place.checkpoints)
    call()  # warms caches
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return median(times) / (steps * place.chains * place.checkpoints) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    rows = [
        {
            "curve": place.curve,
            "workload": place.name,
            "parameters": place.workload.parameters,
            "checkpoints": place.checkpoints,
            "chains": place.chains,
            "execution": execution,
            "device": f"cpu, {arguments.threads} threads",
            "microseconds": measured(place, eager=execution == "eager", repeats=arguments.repeats),
        }
        for place in tqdm(list(places()), unit="place")
        for execution in ("compiled", "eager")
    ]
    table = pd.DataFrame(rows)
    print(table.round(2).to_string(index=False))
    table.to_csv(HERE / "scaling.csv", index=False, float_format="%.4g")
    draw()


if __name__ == "__main__":
    main()

"""The sampling engine against its peers and against the bare gradient, on the same work.

    python benchmarks/engine.py [--only NAME] [--repeats N] [--threads N]

writes benchmarks/engine.csv and engine.png. Every workload is SGLD on minibatches drawn for each
chain, with the loss of every step recorded. All contestants run in turn, several times; a cell is
the median over repeats of microseconds per chain and step:

    ours_us                  the engine as it chooses to run a long sampling: with compiled steps,
                             or, of transformers, recorded operations by its own kernels
    ours_eager_us            the engine, one operation of torch's after another
    devinterp_us             devinterp's own loop, one chain after another
    jax_us                   jit of a scan over steps of a vmap over chains
    bare_gradient_us         losses and gradients of the same batches, and nothing else
    ratio_devinterp, ratio_jax   the peer's time over ours: above 1 we are faster
    ratio_bare               ours over the bare gradient's: 1 is a sampler that costs nothing

Peers that are not installed are left out: pip install devinterp==2.0.1 jax.
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from tqdm import tqdm
from workloads import Workload, workloads

from stagewise.engine.chains import Chains
from stagewise.engine.execution import EAGER, mode_of
from stagewise.engine.noise import index_block
from stagewise.engine.posteriors import posteriors
from stagewise.engine.sampling import Sampling
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Points, Testbed

HERE = Path(__file__).parent
EPSILON, NBETA, GAMMA = 1e-7, 100.0, 1.0
DEVINTERP_STEPS = 50
"""Of one repeat of one chain: it costs as much for each step, however many there are."""


def ours(
    workload: Workload, chains: int, *, eager: bool = False, checkpoints: int = 1
) -> Callable[[], None]:
    """A call that makes `workload.steps` steps of all chains, so many for each checkpoint."""
    weights = {
        name: tensor[None].repeat_interleave(checkpoints, 0)
        for name, tensor in workload.weights.items()
    }
    bed = Testbed(
        "workload",
        workload.losses,
        workload.data,
        points=lambda: Points(weights, pd.DataFrame({"step": range(checkpoints)})),
    )
    sampling = Sampling(
        kernel="sgld",
        steps=10**9,
        burn_in=10**9 - 1,
        chains=chains,
        localization=GAMMA,
        epsilon=EPSILON,
        n=[1000.0],
        beta=NBETA / 1000,
        batch=workload.batch,
        precision="bfloat16" if workload.half else "full",
    )
    assert bed.points is not None
    found = posteriors(bed, bed.points(), sgld, sampling, seed=0)
    places = torch.arange(checkpoints)
    one = Chains(sgld, found, found.grid[:1], seed=0, places=places).cost()
    chosen = mode_of("auto", device="cpu", steps=sampling.steps, one=one, rows=len(found.grid))
    mode = EAGER if eager else chosen
    running = Chains(sgld, found, found.grid, seed=0, places=places, mode=mode)

    def call() -> None:
        until = running.step + workload.steps
        while running.step < until:
            running.advance()

    return call


def bare(workload: Workload, chains: int) -> Callable[[], None]:
    """Losses and gradients of as many batches, picked beforehand."""
    from stagewise.engine.flat import flatten
    from stagewise.engine.program import Program

    shapes = {name: tuple(tensor.shape) for name, tensor in workload.weights.items()}
    stacked = {
        name: tensor[None].repeat_interleave(chains, 0) for name, tensor in workload.weights.items()
    }
    position = flatten(stacked, shapes)
    program = Program(workload.losses, shapes, {}, rows=chains, half=workload.half)
    streams = [torch.Generator().manual_seed(chain) for chain in range(chains)]
    samples = len(next(iter(workload.data.values())))
    picked = index_block(streams, 1, samples, workload.batch)[:, 0]
    batch = {name: tensor[picked] for name, tensor in workload.data.items()}

    def call() -> None:
        for _ in range(workload.steps):
            program.loss_and_gradient(position, batch, shared=False)

    return call


def contestants(
    name: str, workload: Workload, chains: int
) -> dict[str, tuple[Callable[[], None], int]]:
    """Column -> (call, chain-steps that it makes)."""
    work = workload.steps * chains
    found = {
        "ours_us": (ours(workload, chains), work),
        "ours_eager_us": (ours(workload, chains, eager=True), work),
        "bare_gradient_us": (bare(workload, chains), work),
    }
    settings = {"epsilon": EPSILON, "nbeta": NBETA, "gamma": GAMMA}
    try:
        jax_scan = import_module("peers.jax_scan")
        found["jax_us"] = (jax_scan.prepare(name, workload, chains, **settings), work)
    except ImportError:
        pass
    try:
        import devinterp  # noqa: F401

        chain = import_module("peers.devinterp_chain")
        call = chain.prepare(name, workload, DEVINTERP_STEPS, **settings)
        found["devinterp_us"] = (call, DEVINTERP_STEPS)
    except ImportError:
        pass
    return found


def measured(name: str, workload: Workload, chains: int, repeats: int) -> dict[str, object]:
    """One row of the table."""
    calls = contestants(name, workload, chains)
    times: dict[str, list[float]] = {column: [] for column in calls}
    for repeat in range(repeats + 1):
        for column, (call, work) in calls.items():
            started = time.perf_counter()
            call()
            if repeat:  # the first compiles, and warms caches
                times[column].append((time.perf_counter() - started) / work * 1e6)
    row: dict[str, object] = {
        "workload": name,
        "parameters": workload.parameters,
        "chains": chains,
        "device": f"cpu, {torch.get_num_threads()} threads",
    }
    row |= {column: median(values) for column, values in times.items()}
    mine = median(times["ours_us"])
    for peer in ("devinterp", "jax"):
        if f"{peer}_us" in times:
            row[f"ratio_{peer}"] = median(times[f"{peer}_us"]) / mine
    row["ratio_bare"] = mine / median(times["bare_gradient_us"])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help="a part of the names of the workloads to run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    jobs = [
        (name, workload, chains)
        for name, workload in workloads().items()
        if not arguments.only or arguments.only in name
        for chains in workload.chains
    ]
    rows = []
    for name, workload, chains in tqdm(jobs, unit="workload"):
        rows.append(measured(name, workload, chains, arguments.repeats))
    table = pd.DataFrame(rows)
    order = ["workload", "parameters", "chains", "device", "ours_us", "ours_eager_us"]
    order += ["devinterp_us", "jax_us", "bare_gradient_us", "ratio_devinterp", "ratio_jax"]
    table = table.reindex(columns=[*order, "ratio_bare"])
    print(table.round(2).to_string(index=False))
    if not arguments.only:
        table.round(3).to_csv(HERE / "engine.csv", index=False)
        print(f"{platform.processor() or platform.machine()}: written to {HERE / 'engine.csv'}")


if __name__ == "__main__":
    main()

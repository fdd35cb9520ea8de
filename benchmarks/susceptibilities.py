"""Susceptibilities of tokens to attention heads: ours against devinterp's.

    python benchmarks/susceptibilities.py [--repeats N] [--threads N] [--draws N] [--run FOLDER]

writes benchmarks/susceptibilities.csv. First the same draws, 4 chains of 200 of 20 sequences of 32
tokens, through both estimators: devinterp's `compute_susceptibilities` (two-chain), which gives the
restricted covariance where the draws of a head also stand for those of the whole model. Then the
same model, heads, chains, steps and probes through both pipelines, from weights to numbers, in
turn: SGLD of two heads of each layer, and of all weights, of the model of figure 4 at the end of
its training, and 5,120 tokens at every draw. `coupled` is what the figures do: as many chains at
each of two n beta, with common noise. Beside seconds stands the reliability: the correlation over
tokens of two halves of the chains, median over heads, of restricted susceptibilities; and the
seconds that would bring it to one half, by the formula of Spearman and Brown.

Needs devinterp 2.0.1 (pip install devinterp==2.0.1) and the run: snakemake
results/synthetic_language/susceptibility/seed0/checkpoints.safetensors.
"""

import argparse
import contextlib
import io
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
import yaml
from datasets import Dataset
from devinterp.slt.sampling import sample as their_sample
from devinterp.slt.susceptibilities import compute_susceptibilities
from susceptibility_parity import CHAINS, HEADS, NBETA, largest_differences

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.estimators.response_matrix import factor_to_reach, reliability
from stagewise.estimators.susceptibilities import FULL, susceptibilities
from stagewise.models import attention_only
from stagewise.progress import silent
from stagewise.samplers import sgld
from stagewise.testbeds import synthetic_language
from stagewise.training import trajectory

HERE = Path(__file__).parent
BURN_IN, THIN, BATCH = 24, 4, 16
EPSILON, GAMMA = 1e-3, 300.0


def model(run):
    """The testbed and the last checkpoint of a run."""
    section = yaml.safe_load((HERE.parent / "config.yaml").read_text())
    settings = section["testbeds"]["synthetic_language"]["susceptibility"]["model"]
    bed = synthetic_language.build(settings, 0)
    points = trajectory.load(run / "checkpoints.safetensors", testbed=bed.name)
    return bed, points.at(torch.tensor([len(points) - 1]))


def our_pipeline(run, draws, *, coupled):
    """A call from the weights to our susceptibilities."""
    bed, points = model(run)
    sampling = Sampling(
        kernel="sgld",
        n=[NBETA * 2 / 3, NBETA * 4 / 3] if coupled else [NBETA],
        beta=1.0,
        coupled=coupled,
        localization=GAMMA,
        epsilon=EPSILON,
        batch=BATCH,
        steps=BURN_IN + THIN * draws,
        burn_in=BURN_IN,
        thin=THIN,
        chains=CHAINS,
        components=[*HEADS, FULL],
        observables={"mixed": Observation(keep="response")},
    )

    def call():
        return susceptibilities(sample(bed, points, sgld, sampling, seed=0, report=silent))

    return call


def our_reliability(found):
    halves = (
        found["restricted"].isel(checkpoint=0).transpose("half", "sample", "token", "component")
    )
    first, second = halves.values.reshape(2, -1, len(HEADS))
    return float(np.median(reliability(first, second)))


class Module(torch.nn.Module):
    """The weights as a module."""

    def __init__(self, weights):
        super().__init__()
        self.names = {name: name.replace(".", "_") for name in weights}
        for name, tensor in weights.items():
            self.register_parameter(self.names[name], torch.nn.Parameter(tensor.clone()))

    def forward(self, tokens):
        w = {name: getattr(self, own) for name, own in self.names.items()}
        return attention_only.next_token_losses(w, tokens)


def their_call(run, draws):
    """A call from the weights to their samples, by restriction, and their susceptibilities."""
    bed, points = model(run)
    module = Module({name: tensor[0] for name, tensor in points.parameters.items()})
    masks = {
        head: {module.names[name]: mask for name, mask in bed.components[head].items()}
        for head in HEADS
    }
    rows = [
        Dataset.from_dict({"input_ids": part["tokens"].tolist()}).with_format("torch")
        for part in (bed.data, bed.observables["mixed"].data)
    ]
    logging.getLogger("devinterp").setLevel(logging.ERROR)
    os.environ.setdefault("TQDM_DISABLE", "1")

    def call():
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            trees = {
                name: their_sample(
                    model=module,
                    dataset=rows[0],
                    observables={"probes": (rows[1], len(rows[1]) // BATCH)},
                    param_masks=mask,
                    lr=EPSILON,
                    n_beta=NBETA,
                    localization=GAMMA,
                    num_chains=CHAINS,
                    num_draws=draws,
                    num_burnin_steps=BURN_IN,
                    num_steps_bw_draws=THIN,
                    batch_size=BATCH,
                    match_sampling_input_ids_across_chains=False,
                    device="cpu",
                    loss_fn=lambda module, tokens: module(tokens),
                    output_path=Path(folder) / f"{place}.zarr",
                ).load()
                for place, (name, mask) in enumerate({"full": None, **masks}.items())
            }
            compute_susceptibilities(trees, "probes", include_sampling_task=True)
        return trees

    return call


def their_reliability(trees):
    """Of restricted covariances: the head's own draws stand for those of the whole model."""

    def restricted(tree):
        found = compute_susceptibilities(
            {"full": tree, "head": tree}, "probes", include_sampling_task=True
        )
        return found["susceptibilities"]["sus"].values

    each = []
    for head in HEADS:
        dataset = trees[head].dataset
        halves = [
            restricted(xr.DataTree(dataset.isel(chain=chains)))
            for chains in (slice(0, CHAINS // 2), slice(CHAINS // 2, CHAINS))
        ]
        each.append(float(reliability(*halves)[0]))
    return float(np.median(each))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument(
        "--run", type=Path, default=Path("results/synthetic_language/susceptibility/seed0")
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    apart = largest_differences()
    print({name: f"{value:.1e}" for name, value in apart.items()}, "largest differences")
    assert max(apart.values()) < 1e-5
    ways = {
        "ours": (our_pipeline(arguments.run, arguments.draws, coupled=False), our_reliability),
        "devinterp": (their_call(arguments.run, arguments.draws), their_reliability),
        "coupled": (our_pipeline(arguments.run, arguments.draws, coupled=True), our_reliability),
    }
    rows = []
    for repeat in range(arguments.repeats):
        for name, (call, reliable) in ways.items():
            started, computed = time.perf_counter(), time.process_time()
            found = call()
            row = {
                "way": name,
                "repeat": repeat,
                "seconds": time.perf_counter() - started,
                "cpu_seconds": time.process_time() - computed,
                "reliability": reliable(found),
            }
            row["seconds_to_half"] = row["seconds"] * factor_to_reach(row["reliability"], 0.5)
            rows.append(row)
            print({key: value if key == "way" else f"{value:.3g}" for key, value in row.items()})
    table = pd.DataFrame(rows).assign(
        heads=len(HEADS),
        chains=CHAINS,
        draws=arguments.draws,
        threads=arguments.threads,
        two_chain_difference=apart["two_chain"],
        restricted_difference=apart["restricted"],
    )
    table.to_csv(HERE / "susceptibilities.csv", index=False, float_format="%.4g")
    medians = table.groupby("way")[["seconds", "reliability", "seconds_to_half"]].median()
    print(medians)
    theirs = medians.loc["devinterp"]
    print(f"devinterp / ours, equal draws: {theirs.seconds / medians.seconds['ours']:.2f}")
    print(
        "devinterp / coupled, equal reliability: "
        f"{theirs.seconds_to_half / medians.seconds_to_half['coupled']:.1f}"
    )


if __name__ == "__main__":
    main()

"""Susceptibilities of tokens to attention heads: ours against devinterp's.

    python benchmarks/susceptibilities.py [--repeats N] [--threads N] [--draws N]

writes benchmarks/susceptibilities.csv. First the same draws, 4 chains of 200 of 20 sequences of 32
tokens, through both estimators: devinterp's `compute_susceptibilities` (two-chain), which gives the
restricted covariance where the draws of a head also stand for those of the whole model. Then the
same model, heads, chains, steps and probes through both pipelines, from weights to numbers, in
turn: SGLD on a two-layer attention-only transformer with random weights (8 heads a layer, width
64), of whose heads four are sampled, and all weights. `coupled` is what the figures use: as many
chains, at two n beta with common noise. Needs devinterp 2.0.1: pip install devinterp==2.0.1.
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
from datasets import Dataset
from devinterp.slt.susceptibilities import compute_susceptibilities
from devinterp.slt.susceptibilities import susceptibilities as their_pipeline

from stagewise.engine.sample import sample
from stagewise.engine.sampling import Observation, Sampling
from stagewise.estimators.susceptibilities import FULL, susceptibilities
from stagewise.models import attention_only
from stagewise.samplers import sgld
from stagewise.testbeds.testbed import Observable, Points, Testbed

HERE = Path(__file__).parent
HEADS = ("0:0", "0:1", "1:0", "1:1")
CHAINS, BURN_IN, THIN, BATCH = 4, 24, 4, 16
EPSILON, NBETA, GAMMA = 1e-3, 30.0, 300.0
VOCABULARY, LENGTH, PROBES, TRAIN = 44, 64, 80, 4096


def traces(draws=200, sequences=20, tokens=32):
    """Losses (component, chain, draw, sequence, token) and at w*, double precision."""
    random = np.random.default_rng(0)
    shape = (len(HEADS) + 1, CHAINS, draws, sequences, tokens)
    at_centre = random.exponential(size=shape[3:])
    common = random.standard_normal((*shape[:3], 1, 1)) * random.random(shape[3:])
    found = at_centre + 0.1 * common**2 + 0.05 * random.standard_normal(shape)
    return found, at_centre


def ours_of(found, at_centre):
    """Our estimates from the draws: variables over (component, half, sample, token)."""
    draws = xr.Dataset(
        {
            "probes_loss": (
                ("component", "n", "chain", "probes_draw", "probes_sample", "probes_token"),
                found[:, None],
            ),
            "probes_loss_at_centre": (("probes_sample", "probes_token"), at_centre),
            "nbeta": ("n", [NBETA]),
        },
        coords={"component": [*HEADS, FULL]},
    )
    return susceptibilities(draws, "probes")


def theirs_of(found, at_centre, full):
    """Their estimates (head, sample, token) from the draws of all heads and of `full`."""

    def tree(losses):
        chains, _, sequences, tokens = losses.shape
        ids = np.zeros((sequences, tokens + 1), dtype=np.int64)
        return xr.DataTree(
            xr.Dataset(
                {
                    "loss_probes": (("chain", "draw", "batch_probes", "token_pos"), losses),
                    "init_loss": (("chain", "of_mean"), np.full((chains, 1), at_centre.mean())),
                    "input_ids_probes": (("batch_probes", "token"), ids),
                }
            )
        )

    trees = {"full": tree(full), **{h: tree(x) for h, x in zip(HEADS, found, strict=True)}}
    result = compute_susceptibilities(trees, "probes", include_sampling_task=True)
    return result["susceptibilities"]["sus"].values.T.reshape(len(HEADS), *at_centre.shape)


def largest_differences():
    """Form -> largest difference of any token and head, over the deviation of all."""
    found, at_centre = traces()
    mine = ours_of(found, at_centre)
    apart = {"two_chain": 0.0, "restricted": 0.0}
    for half in range(2):
        part = found[:, 2 * half : 2 * half + 2]
        theirs = {
            "two_chain": theirs_of(part[:-1], at_centre, part[-1]),
            "restricted": np.concatenate(
                [
                    theirs_of(part[:-1], at_centre, head)[[place]]
                    for place, head in enumerate(part[:-1])
                ]
            ),
        }
        for name, other in theirs.items():
            own = mine[name].sel(half=half).transpose("component", "sample", "token").values
            difference = np.abs(own - other).max() / other.std()
            apart[name] = max(apart[name], float(difference))
    return apart


def model():
    """Weights, training sequences and probes."""
    stream = torch.Generator().manual_seed(0)
    weights = attention_only.initial(
        vocabulary=VOCABULARY, context=LENGTH, width=64, heads=8, layers=2, stream=stream
    )
    tokens = torch.randint(0, VOCABULARY, (TRAIN + PROBES, LENGTH + 1), generator=stream)
    return weights, tokens[:TRAIN], tokens[TRAIN:]


def our_pipeline(draws, *, coupled):
    """A call from the weights to our susceptibilities."""
    weights, train, probes = model()

    def losses(w, constants, batch):
        return attention_only.next_token_losses(w, batch["tokens"])

    bed = Testbed(
        "susceptibilities",
        lambda w, constants, batch: losses(w, constants, batch).mean(-1),
        {"tokens": train},
        evaluation={"tokens": probes},
        components=attention_only.head_masks(weights),
        observables={"probes": Observable(losses, {"tokens": probes})},
    )
    points = Points(
        {name: tensor[None] for name, tensor in weights.items()}, pd.DataFrame({"step": [0]})
    )
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
        # Halves of coupled chains are two pairs each: twice the chains.
        chains=CHAINS,
        components=[*HEADS, FULL],
        observables={"probes": Observation(keep="response")},
    )
    return lambda: susceptibilities(
        sample(bed, points, sgld, sampling, seed=0, report=lambda done, what: None)
    )


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


def their_call(draws):
    """A call from the weights to their susceptibilities."""
    weights, train, probes = model()
    module = Module(weights)
    masks = attention_only.head_masks(weights)
    restrictions = {
        head: {module.names[name]: mask for name, mask in masks[head].items()} for head in HEADS
    }
    rows = [Dataset.from_dict({"input_ids": part.tolist()}).with_format("torch") for part in
            (train, probes)]  # fmt: skip
    logging.getLogger("devinterp").setLevel(logging.ERROR)
    os.environ.setdefault("TQDM_DISABLE", "1")

    def call():
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            return their_pipeline(
                module,
                rows[0],
                {"probes": (rows[1], PROBES // BATCH)},
                {"full": None, **restrictions},
                sampling_task="probes",
                include_sampling_task=True,
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
                output_path=Path(folder) / "samples.zarr",
            )

    return call


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    apart = largest_differences()
    print({name: f"{value:.1e}" for name, value in apart.items()}, "largest differences")
    assert max(apart.values()) < 1e-5
    ways = {
        "ours": our_pipeline(arguments.draws, coupled=False),
        "devinterp": their_call(arguments.draws),
        "coupled": our_pipeline(arguments.draws, coupled=True),
    }
    rows = []
    for repeat in range(arguments.repeats):
        for name, call in ways.items():
            started, computed = time.perf_counter(), time.process_time()
            call()
            rows.append(
                {
                    "way": name,
                    "repeat": repeat,
                    "seconds": time.perf_counter() - started,
                    "cpu_seconds": time.process_time() - computed,
                }
            )
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).assign(
        heads=len(HEADS),
        chains=CHAINS,
        draws=arguments.draws,
        threads=arguments.threads,
        two_chain_difference=apart["two_chain"],
        restricted_difference=apart["restricted"],
    )
    table.to_csv(HERE / "susceptibilities.csv", index=False, float_format="%.4g")
    medians = table.groupby("way")["seconds"].median()
    print(medians)
    print(f"devinterp / ours: {medians['devinterp'] / medians['ours']:.2f}")


if __name__ == "__main__":
    main()

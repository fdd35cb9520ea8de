"""What it takes to find out how far a checkpoint can be quantized: the sweep against loops.

    python benchmarks/compression.py [--run results/gpt_neox/narrow/seed0] [--repeats N]

writes benchmarks/compression.csv. One checkpoint of the language models of figure 2 (make it with
`snakemake results/gpt_neox/narrow/seed0/matrices/critical.csv`), 24 amounts, 8 dithers, 3
tolerances, 2,048 held-out tokens, taken in turn:

    sweep           ours: all tolerances from one pass, dithers and amounts together, no further
                    than the largest tolerance
    tolerance       every amount and dither by itself, anew for each tolerance, to the grid's end
    amount          every amount and dither by itself, once for all tolerances

The loops quantize transformers' own module in place and call it. All find the same critical levels,
which is checked. Ratios are medians over repeats of the loop's time over the sweep's.
"""

import argparse
import time
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from stagewise.compression.critical import critical_amounts
from stagewise.compression.quantization import dithers, levels
from stagewise.compression.scheme import matrices
from stagewise.engine.compress import compress
from stagewise.engine.compressions import Compressions, Way
from stagewise.testbeds import gpt_neox
from stagewise.token_streams import load
from stagewise.training import trajectory

HERE = Path(__file__).parent
TOLERANCES = [0.05, 0.1, 0.2]
AMOUNTS = levels(71, 24)
DITHERS = 8
SEQUENCES = 64
MEMORY = 10**9


def module_of(
    model: gpt_neox.Model, weights: dict[str, Tensor], vocabulary: int
) -> torch.nn.Module:
    """transformers' own, with those weights."""
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=4 * model.width,
        max_position_embeddings=model.length,
        rotary_pct=model.rotary,
    )
    module = GPTNeoXForCausalLM(config).eval().requires_grad_(False)
    module.load_state_dict(weights)
    return module


def looped(module: torch.nn.Module, tokens: Tensor, *, again: bool) -> list[float]:
    """Critical levels by evaluating one model at a time."""
    named = dict(module.named_parameters())
    whole = {name: tensor.clone() for name, tensor in named.items()}
    shifts = {n: dithers(n, t, draws=DITHERS, seed=0) for n, t in matrices(whole).items()}

    def loss() -> float:
        logits = module(tokens[:, :-1]).logits
        return float(cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()))

    before, found = loss(), []
    for tolerance in TOLERANCES:
        if again or not found:
            rises = []
            for amount in AMOUNTS:
                k, total = (amount - 1) / 2, 0.0
                for dither in range(DITHERS):
                    for name, shift in shifts.items():
                        w, u = whole[name], shift[dither]
                        s = w.abs().max()
                        j = torch.clip(torch.round(k * w / s + u), -k, k)
                        named[name].copy_(s * torch.clip(j - u, -k, k) / k)
                    total += loss() - before
                rises.append(total / DITHERS)
        found.append(critical_amounts(AMOUNTS, rises, [tolerance])[0].amount)
    for name, tensor in whole.items():
        named[name].copy_(tensor)
    return found


def main() -> None:
    """Runs all, in turn, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("results/gpt_neox/narrow/seed0"))
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    corpus = load(wanted.run.parents[2] / "corpus" / "installed" / "tokens.safetensors")
    settings = {"corpus": "installed", "length": 32, "width": wanted.width}
    testbed = gpt_neox.build(settings, 0, corpus)
    points = trajectory.points_of(testbed, wanted.run / "checkpoints.safetensors")
    last = int(points.index["step"].max())
    weights = {name: tensor[-1] for name, tensor in points.parameters.items()}
    module = module_of(gpt_neox.Model(**settings), weights, corpus.vocabulary)
    tokens = testbed.reported["tokens"][:SEQUENCES].long()
    chosen = Compressions(
        schemes={"levels": Way("quantization", AMOUNTS[0], count=len(AMOUNTS), draws=DITHERS)},
        tolerances=TOLERANCES,
        samples=SEQUENCES,
        checkpoints={"step": [last]},
    )

    def sweep() -> list[float]:
        found = compress(
            testbed, points, chosen, seed=0, report=lambda done, note: None, memory=MEMORY
        )
        return found.critical["amount"].tolist()

    ways = {
        "sweep": sweep,
        "tolerance": lambda: looped(module, tokens, again=True),
        "amount": lambda: looped(module, tokens, again=False),
    }
    rows = []
    with torch.no_grad():
        for repeat in range(wanted.repeats):
            for way, run in ways.items():
                start = time.perf_counter()
                amounts = run()
                took = time.perf_counter() - start
                rows.append({"way": way, "repeat": repeat, "seconds": took} | _named(amounts))
    table = pd.DataFrame(rows)
    apart = table.groupby("way")[list(_named(TOLERANCES))].first()
    if (apart / apart.loc["sweep"] - 1).abs().to_numpy().max() > 1e-3:
        raise SystemExit(f"the ways do not agree on the critical levels:\n{apart}")
    table.to_csv(HERE / "compression.csv", index=False)
    wide = table.pivot_table(index="repeat", columns="way", values="seconds")
    for way in ("tolerance", "amount"):
        print(f"{way}: {median(wide[way] / wide['sweep']):.1f} times the sweep")


def _named(amounts: list[float]) -> dict[str, float]:
    return {f"levels_{t:g}": a for t, a in zip(TOLERANCES, amounts, strict=True)}


if __name__ == "__main__":
    main()

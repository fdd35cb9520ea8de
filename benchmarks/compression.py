"""What it takes to find out how far a checkpoint can be quantized: the sweep against loops.

    python benchmarks/compression.py [--results results] [--repeats N]

writes benchmarks/compression.csv. The last checkpoint of two runs of figure 2, a language model and
a linear network (make them with `snakemake results/figure2.pdf`), 24 amounts, 8 dithers, 3
tolerances, taken in turn:

    sweep        ours: all tolerances from one pass, dithers and amounts together, no further than
                 the largest tolerance
    tolerance    every amount and dither by itself, anew for each tolerance, to the grid's end
    amount       every amount and dither by itself, once for all tolerances

The loops put each quantized model into transformers' own module, or multiply its matrices. All find
the same critical levels, which is checked. Ratios: medians over repeats of a loop's time over the
sweep's.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from stagewise.compression.critical import critical_amounts
from stagewise.compression.quantization import Quantization, levels
from stagewise.engine.compress import compress
from stagewise.engine.compressions import Compressions, Way
from stagewise.testbeds import deep_linear, gpt_neox
from stagewise.testbeds.testbed import Points, Testbed
from stagewise.token_streams import load
from stagewise.training import trajectory

HERE = Path(__file__).parent
AMOUNTS, DITHERS = levels(71, 24), 8
SEQUENCES = 64
MEMORY = 10**9


@dataclass(frozen=True)
class Workload:
    """A checkpoint, and its loss as anybody would write it."""

    testbed: Testbed
    points: Points
    tolerances: list[float]
    loss: Callable[[Mapping[str, Tensor]], Tensor]
    """Weights of one model -> its mean loss."""


def language_model(results: Path) -> Workload:
    """The smallest of figure 2; 2,048 tokens."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    corpus = load(results / "corpus" / "installed" / "tokens.safetensors")
    testbed = gpt_neox.build({"corpus": "installed", "length": 32, "width": 32}, 0, corpus)
    config = GPTNeoXConfig(
        vocab_size=corpus.vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
        rotary_pct=0.25,
    )
    module = GPTNeoXForCausalLM(config).eval().requires_grad_(False)
    named, tokens = dict(module.named_parameters()), testbed.reported["tokens"][:SEQUENCES].long()

    def loss(weights: Mapping[str, Tensor]) -> Tensor:
        for name, tensor in weights.items():
            named[name].copy_(tensor)
        logits = module(tokens[:, :-1]).logits
        return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    return Workload(testbed, _last(testbed, results, "narrow"), [0.05, 0.1, 0.2], loss)


def linear_network(results: Path) -> Workload:
    """12-12-12, on its population loss."""
    values = [10.0, 8.0, 6.4, 5.12, 4.1, 3.28, 2.62, 2.1, 1.68, 1.34]
    settings = {"architectures": [[12, 12, 12]], "target": values, "widths": [12, 12]}
    testbed = deep_linear.build(settings | {"initial_scale": 1e-10}, 0)
    points = _last(testbed, results, "staircase")
    whole = testbed.whole_losses
    return Workload(testbed, points, [1.0, 3.0, 6.0], lambda w: whole(w, {}, {}).mean())


def _last(testbed: Testbed, results: Path, variant: str) -> Points:
    path = results / testbed.name / variant / "seed0" / "checkpoints.safetensors"
    points = trajectory.points_of(testbed, path)
    return points.at(torch.tensor([len(points) - 1]))


def looped(workload: Workload, *, again: bool) -> list[float]:
    """Critical levels by evaluating one model at a time."""
    weights = {name: tensor[0] for name, tensor in workload.points.parameters.items()}
    compression = Quantization().prepared(weights, draws=DITHERS, seed=0)
    before, found, rises = float(workload.loss(weights)), [], []
    for tolerance in workload.tolerances:
        if again or not found:
            rises = []
            for amount in AMOUNTS:
                models = [compression.models([amount], [dither]) for dither in range(DITHERS)]
                losses = [
                    float(workload.loss({name: tensor[0] for name, tensor in model.items()}))
                    for model in models
                ]
                rises.append(sum(losses) / DITHERS - before)
        found.append(critical_amounts(AMOUNTS, rises, [tolerance])[0].amount)
    return found


def swept(workload: Workload) -> list[float]:
    """The same by the library."""
    way = Way("quantization", AMOUNTS[0], count=len(AMOUNTS), draws=DITHERS)
    wanted = Compressions({"levels": way}, workload.tolerances, samples=SEQUENCES)
    found = compress(
        workload.testbed,
        workload.points,
        wanted,
        seed=0,
        report=lambda done, note: None,
        memory=MEMORY,
    )
    return [float(amount) for amount in found.critical["amount"]]


WAYS: dict[str, Callable[[Workload], list[float]]] = {
    "sweep": swept,
    "tolerance": lambda workload: looped(workload, again=True),
    "amount": lambda workload: looped(workload, again=False),
}


def main() -> None:
    """Runs all, in turn, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--repeats", type=int, default=5)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, make in (("language model", language_model), ("linear network", linear_network)):
        workload = make(wanted.results)
        amounts = {}
        with torch.no_grad():
            for repeat in range(wanted.repeats):
                for way, run in WAYS.items():
                    start = time.perf_counter()
                    amounts[way] = torch.tensor(run(workload))
                    took = time.perf_counter() - start
                    rows.append({"model": name, "way": way, "repeat": repeat, "seconds": took})
        for way, found in amounts.items():
            torch.testing.assert_close(found, amounts["sweep"], rtol=1e-3, atol=0.0, msg=way)
    table = pd.DataFrame(rows)
    table.to_csv(HERE / "compression.csv", index=False, float_format="%.4g")
    for name, part in table.groupby("model"):
        wide = part.pivot_table(index="repeat", columns="way", values="seconds")
        for way in ("tolerance", "amount"):
            print(f"{name}, {way}: {median(wide[way] / wide['sweep']):.1f} times the sweep")


if __name__ == "__main__":
    main()

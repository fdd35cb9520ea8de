"""Claim C8: susceptibilities against what removing a head does; gradients left at w*."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stagewise.data.synthetic_language import Text
from stagewise.findings.measured import Measured, doubtful, exact
from stagewise.findings.susceptibilities_matrices import (
    Chosen,
    Matrices,
    circuit_scores,
    draws_of_a_head,
    gate,
    matrices,
    over_sequences,
    tokens,
)
from stagewise.models import attention_only
from stagewise.settings import build
from stagewise.testbeds import synthetic_language

Array = NDArray[np.float64]
FRESH = 2**31 - 1
"""Seed of sequences that no model was trained on."""
PIECE = 256
"""Sequences that fit into memory at once."""
WAYS = ("zero", "mean")
"""What a head gathers instead: nothing, or its mean over all tokens."""


@dataclass(frozen=True)
class Settings:
    """The testbed's own settings, to know the tokens again, and sizes."""

    model: dict[str, Any]
    circuit: float
    """Share of the greatest circuit score of its layer from which a head is of the circuit."""
    fresh: int
    """Sequences that gradients are taken on: on few they are noise."""
    bootstrap: int


def measure(
    inputs: Mapping[str, list[Any]], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Measured]]:
    """Correlation over tokens of a head's susceptibility with the rise of the loss without it.

    inputs   per seed: susceptibilities (`response`), their `draws`, the `points` they are of and
             `behaviour`
    returns  one row per seed, head and way of ablation: pearson (restricted), two_chain_pearson,
             score, circuit, rise (mean over tokens, nats) and gradient (norm at w*). Statistics,
             `ablation_` and then
               <way>_<layer>      greatest size of pearson among heads that are not of the circuit,
                                  median over the seeds that have such heads
               two_chain_<way>    the same of two_chain_pearson, all layers
               gradient           greatest norm of a head's gradient, over seeds
    """
    wanted = build(Settings, settings, "papers.susceptibilities.ablation")
    text = synthetic_language.mixed(wanted.model)
    known = tokens(text)
    runs = [matrices(found, known) for found in inputs["response"]]
    scores, effects, circuits, gradients = [], [], [], []
    for run, found, points, behaviour in zip(
        runs, inputs["response"], inputs["points"], inputs["behaviour"], strict=True
    ):
        step = int(found["step"][0])
        scores.append(circuit_scores(behaviour, step, run.heads))
        circuits.append(_of_circuit(scores[-1], run, wanted.circuit))
        chosen = points.at(points.places({"step": step})).parameters
        weights = {name: tensor[0] for name, tensor in chosen.items()}
        effects.append(ablations(weights, text, run.heads))
        gradients.append(gradient_norms(weights, wanted, run.heads))
    layers = np.unique(runs[0].layers).tolist()

    def of(chosen: Chosen) -> dict[str, float]:
        found: dict[str, float] = {}
        for way in WAYS:
            plain, two = (
                [
                    _correlations(getattr(run, name).mean(0)[chosen], effect[way][chosen])
                    for run, effect in zip(runs, effects, strict=True)
                ]
                for name in ("restricted", "two_chain")
            )
            for layer in layers:
                kept = [
                    (run.layers == layer) & ~circuit
                    for run, circuit in zip(runs, circuits, strict=True)
                ]
                found[f"{way}_{layer}"] = _greatest(plain, kept)
            found[f"two_chain_{way}"] = _greatest(two, [~circuit for circuit in circuits])
        return found

    doubt = gate(runs, draws_of_a_head(inputs["draws"][0]))
    statistics = {
        name: doubtful(number, doubt)
        for name, number in over_sequences(of, known, wanted.bootstrap).items()
    }
    statistics["gradient"] = exact(max(float(norms.max()) for norms in gradients), len(runs))
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "seed": int(found.attrs["seed"]),
                    "way": way,
                    "head": run.heads,
                    "layer": run.layers,
                    "score": score,
                    "circuit": circuit,
                    "pearson": _correlations(run.restricted.mean(0), effect[way]),
                    "two_chain_pearson": _correlations(run.two_chain.mean(0), effect[way]),
                    "rise": effect[way].mean(0),
                    "gradient": gradient,
                }
            )
            for found, run, score, circuit, effect, gradient in zip(
                inputs["response"], runs, scores, circuits, effects, gradients, strict=True
            )
            for way in WAYS
        ],
        ignore_index=True,
    )
    return table, {f"ablation_{name}": number for name, number in statistics.items()}


def ablations(weights: Mapping[str, Tensor], text: Text, heads: Sequence[str]) -> dict[str, Array]:
    """Way -> rise of every token's loss without each head, (token, head), nats."""
    held = torch.from_numpy(text.tokens).long()
    inputs, targets = held[:, :-1], held[:, 1:]
    gathered = attention_only.forward(weights, inputs).mixed

    def losses(ablated: attention_only.Ablation) -> Array:
        scored = attention_only.logits(weights, inputs, ablated)
        found = attention_only.cross_entropies(scored, targets)
        return np.asarray(found.double().numpy()).ravel()

    before = losses({})
    found: dict[str, list[Array]] = {way: [] for way in WAYS}
    for name in heads:
        layer, head = map(int, name.split(":"))
        mean = gathered[layer][:, head].mean((0, 1))
        found["zero"].append(losses({(layer, head): torch.zeros_like(mean)}) - before)
        found["mean"].append(losses({(layer, head): mean}) - before)
    return {way: np.stack(columns, axis=1) for way, columns in found.items()}


def gradient_norms(weights: Mapping[str, Tensor], wanted: Settings, heads: Sequence[str]) -> Array:
    """Norm of the gradient of the mean loss on fresh sequences of the language by each head's
    weights, (head,)."""
    sequences = synthetic_language.build({**wanted.model, "train": wanted.fresh}, FRESH)
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    for held in sequences.data["tokens"].split(PIECE):
        losses = sequences.losses(leaves, {}, {"tokens": held})
        (losses.sum() / wanted.fresh).backward()  # adds to the gradients of the pieces before
    norms = []
    for head in heads:
        of_head = []
        for name, mask in sequences.components[head].items():
            gradient = leaves[name].grad
            assert gradient is not None
            of_head.append(gradient[mask])
        norms.append(float(torch.cat(of_head).norm()))
    return np.array(norms)


def _of_circuit(scores: Array, run: Matrices, share: float) -> NDArray[np.bool_]:
    greatest = np.array([scores[run.layers == layer].max() for layer in run.layers])
    return np.asarray(scores >= share * greatest)


def _correlations(first: Array, second: Array) -> Array:
    """Pearson of every column, (column,)."""
    a, b = first - first.mean(0), second - second.mean(0)
    scale = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return np.asarray(np.divide((a * b).sum(0), scale, out=np.zeros(len(scale)), where=scale > 0))


def _greatest(found: Sequence[Array], kept: Sequence[NDArray[np.bool_]]) -> float:
    """Of the kept heads of each seed, in size; the median over seeds that keep any."""
    sizes = [
        float(np.abs(one[own]).max()) for one, own in zip(found, kept, strict=True) if any(own)
    ]
    return float(np.median(sizes)) if sizes else float("nan")

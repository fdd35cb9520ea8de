"""Bilinear softmax models of a few contexts and tokens, where all sums are exact."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from stagewise.data.planted_modes import blocks_of, planted_modes
from stagewise.seeds import stream_seed
from stagewise.settings import build as build_settings
from stagewise.testbeds.testbed import Batch, Observable, Parameters, Points, Testbed


@dataclass(frozen=True)
class Model:
    """The truth and the rank of the model."""

    contexts: int = 24
    tokens: int = 12
    rank: int = 4
    blocks: int = 3
    """Planted groups of contexts, each with its group of tokens; components are theirs."""
    noise: float = 0.15
    """Weight of the random part of the truth."""
    decay: float = 1e-4
    """c of the c |w|^2 / 2 that keeps the logits of rare pairs from running off where the point is
    found; the loss is without."""

    def __post_init__(self) -> None:
        for name in ("contexts", "tokens"):
            if self.blocks < 2 or getattr(self, name) % self.blocks:
                raise ValueError(
                    f"{name}: must be a multiple of blocks = {self.blocks}, which are at least 2, "
                    f"got {getattr(self, name)}"
                )
        if not 0 < self.noise < 1:
            raise ValueError(f"noise: must be between 0 and 1, got {self.noise}")
        if not 0 < self.rank < self.tokens:
            raise ValueError(f"rank: must be from 1 to tokens - 1, got {self.rank}")
        if self.decay < 0:
            raise ValueError(f"decay: must not be negative, got {self.decay}")


def truth(model: Model, seed: int) -> np.ndarray:
    """q(y|x), (context, token), of the testbed of this seed; contexts are equally likely."""
    return planted_modes(
        model.contexts, model.tokens, model.blocks, model.noise, seed=stream_seed(seed, "truth")
    )


def build(settings: dict[str, Any], seed: int) -> Testbed:
    """Logits E_x . U_y of context x and token y at the minimum of the loss; `seed` draws the truth.

    Loss: the population's cross-entropy, mean over contexts of - sum_y q(y|x) log p(y|x), nats. The
    point is its minimum for that rank but for a weak decay of the weights. Components: embed<k>,
    unembed<k>, the rows of E and columns of U of block k. Observable: pairs, the loss - log p(y|x)
    of every context (sample) and token.
    """
    model = build_settings(Model, settings, "bilinear_language.model")

    def pair_losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        return -torch.log_softmax(w["embed"][batch["context"]] @ w["unembed"], dim=-1)

    def losses(w: Parameters, constants: Parameters, batch: Batch) -> Tensor:
        every = -torch.log_softmax(w["embed"] @ w["unembed"], dim=-1)
        return (constants["truth"] * every).sum(-1).mean()[None]

    return Testbed(
        name="bilinear_language",
        losses=losses,
        points=lambda: _points(model, seed),
        components=_components(model),
        observables={"pairs": Observable(pair_losses, {"context": torch.arange(model.contexts)})},
    )


def _components(model: Model) -> dict[str, dict[str, Tensor]]:
    found = {}
    for name, count, axis in (("embed", model.contexts, 0), ("unembed", model.tokens, 1)):
        block = torch.from_numpy(blocks_of(count, model.blocks))
        for k in range(model.blocks):
            member = (block == k)[:, None].expand(count, model.rank)
            found[f"{name}{k}"] = {name: member if axis == 0 else member.T}
    return found


def _points(model: Model, seed: int) -> Points:
    target = truth(model, seed)
    left, right = _minimum(target, model.rank, model.decay)
    return Points(
        {"embed": torch.from_numpy(left)[None], "unembed": torch.from_numpy(right)[None]},
        pd.DataFrame({"step": [0]}),
        {"truth": torch.from_numpy(target)[None]},
    )


def _minimum(target: np.ndarray, rank: int, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """E (context, rank) and U (rank, token) of least cross-entropy + decay |w|^2 / 2; descent
    starts at the best approximation of log q of that rank."""
    contexts, tokens = target.shape

    def split(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cut = contexts * rank
        return flat[:cut].reshape(contexts, rank), flat[cut:].reshape(rank, tokens)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        left, right = split(flat)
        predicted = log_softmax(left @ right, axis=1)
        slope = (np.exp(predicted) - target) / contexts
        gradient = np.concatenate([(slope @ right.T).ravel(), (left.T @ slope).ravel()])
        entropy = -float((target * predicted).sum() / contexts)
        return entropy + decay / 2 * float(flat @ flat), gradient + decay * flat

    start = np.concatenate([part.ravel() for part in _factors(np.log(target), rank)])
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 0.0, "gtol": 1e-9, "maxcor": 40},
    )
    return split(found.x)


def _factors(logits: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """E and U, of equal singular values, whose product is nearest to the logits less the means of
    their rows."""
    left, values, right = np.linalg.svd(logits - logits.mean(1, keepdims=True), full_matrices=False)
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, root[:, None] * right[:rank]

"""EK-FAC influence by the field's library, kronfluence, where that is installed."""

import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import TensorDataset

from stagewise.engine.perceptron_module import perceptron_module

MISSING = "kronfluence is not installed: python3 bootstrap.py --group attribution"
COPIES = 50
"""Of the training data that factors are fitted on. The library draws labels from the model; many
copies stand for their expectation."""
AT_ONCE = 2000
"""Samples that factors are fitted on together."""

Scores = NDArray[np.float64]


def installed() -> bool:
    """Whether the library can be used here."""
    return find_spec("kronfluence") is not None


def kronfluence_scores(
    weights: Mapping[str, Tensor],
    train: Mapping[str, Tensor],
    query: Mapping[str, Tensor],
    activation: type[torch.nn.Module],
) -> Scores:
    """What each training sample does to each query's loss, (train, query), by kronfluence's EK-FAC.

    grad_q^T (H + lambda)^-1 grad_i (Grosse et al. 2023, 2308.03296): positive where more weight on
    the sample lowers the loss, to leading order. lambda is the library's own, a tenth of the mean
    eigenvalue of each layer.

    weights       layer<k>.weight and layer<k>.bias of a multilayer perceptron
    train, query  x (sample, in) and labels y (sample,)
    """

    def scored(model: Any, batch: Any) -> tuple[Tensor, Tensor]:
        return model(batch[0]), batch[1]

    return _pairwise(
        perceptron_module(weights, activation),
        scored,
        (train["x"], train["y"]),
        (query["x"], query["y"]),
    )


def kronfluence_language_scores(module: Any, train: Tensor, query: Tensor) -> Scores:
    """The same of sequences and the sums of their tokens' losses, in a causal language model of
    transformers: through its linear layers, which leaves out embeddings and norms.

    train, query  tokens (sample, 1 + place)
    """

    def scored(model: Any, batch: Any) -> tuple[Tensor, Tensor]:
        seen = batch[0][:, :-1]
        further = {"attention_mask": torch.ones_like(seen), "use_cache": False}
        return model(seen, **further).logits.flatten(0, 1), batch[0][:, 1:].flatten()

    return _pairwise(module, scored, (train.long(),), (query.long(),))


def _pairwise(
    layers: torch.nn.Module,
    scored: Callable[[Any, Any], tuple[Tensor, Tensor]],
    train: tuple[Tensor, ...],
    query: tuple[Tensor, ...],
) -> Scores:
    """scored   (model, batch) -> logits (row, label) and labels (row,)"""
    kronfluence, arguments = (import_module(f"kronfluence{name}") for name in ("", ".arguments"))

    class Classification(kronfluence.Task):  # type: ignore[name-defined]
        def compute_train_loss(self, batch: Any, model: Any, sample: bool = False) -> Tensor:
            logits, label = scored(model, batch)
            if sample:
                label = torch.multinomial(logits.softmax(-1).detach(), 1)[:, 0]
            return torch.nn.functional.cross_entropy(logits, label, reduction="sum")

        def compute_measurement(self, batch: Any, model: Any) -> Tensor:
            return self.compute_train_loss(batch, model)

    copies = [tensor.repeat(COPIES, *[1] * (tensor.ndim - 1)) for tensor in train]
    task = Classification()
    with tempfile.TemporaryDirectory() as folder:
        model = kronfluence.prepare_model(layers.requires_grad_(True), task)
        analyzer = kronfluence.Analyzer(
            "scores", model, task, cpu=True, output_dir=folder, disable_tqdm=True
        )
        analyzer.fit_all_factors(
            "ekfac",
            TensorDataset(*copies),
            per_device_batch_size=min(AT_ONCE, len(copies[0])),
            factor_args=arguments.FactorArguments(strategy="ekfac"),
        )
        analyzer.compute_pairwise_scores(
            "scores",
            "ekfac",
            TensorDataset(*query),
            TensorDataset(*train),
            per_device_query_batch_size=len(query[0]),
            score_args=arguments.ScoreArguments(damping_factor=None),
        )
        found = analyzer.load_pairwise_scores("scores")["all_modules"]
    return np.asarray(found.numpy().T, dtype=np.float64)
